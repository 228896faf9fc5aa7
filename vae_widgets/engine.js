// The arithmetic of every widget: networks, densities, bounds, and the draws they need.
//
// No drawing and no DOM, so that the same text runs in the page and in a Worker. What stands here is what front ends
// use; each part says what else it has.
//
// As in vae_core.py: logarithms are natural, bounds are in nats, `v` is always a variance, and
// arrays are row-major with one sample a row. What is computed here agrees with PyTorch to 1e-4
// in logits and 0.01 nat in bounds; tests/test_engine.py holds it to that.

export { network, forward, encode } from "./networks.js";
export {
  sigmoid,
  mixture,
  ink,
  logMeanExp,
  logNormal,
  gaussian,
  logGaussian,
  logBernoulli,
  klNormal,
  logMixture,
  mixtureSample,
} from "./densities.js";
export { normals } from "./draws.js";
export { proposal, logSoftmax, logWeights } from "./bounds.js";
export { boundJob, serve, openWorker, reason } from "./jobs.js";
