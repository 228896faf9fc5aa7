// The model that the reader trained: in the page's other widgets, and in a file.

import { count } from "./train_vae_chart.js";
import * as engine from "./engine.js";
import * as trainer from "./trainer.js";
import * as ui from "./ui.js";

/** @param {Model} model @param {Training} training */
export function myModel(model, training) {
  const said = ui.h("p", { class: "vw-heading", role: "status" });
  /** @type {object[]} */
  let recipe = []; // what the run was told, and when

  // `f` of the weights of this moment.
  /** @type {(f: (weights: Float32Array, shape: Shape, steps: number) => string | Promise<string>) => () => Promise<void>} */
  const withWeights = (f) => async () => {
    if (!training.run || !training.ready) return;
    const shape = {
      hidden: [...model.get("hidden")],
      z_dim: model.get("z_dim"),
      activation: model.get("activation"),
    };
    try {
      said.textContent = await f(await training.run.weights(), shape, training.shown.steps);
    } catch (error) {
      said.textContent = engine.reason(error);
    }
  };

  const use = withWeights((weights, shape, steps) => {
    const { labels } = training.data,
      { enc, dec } = trainer.networks(weights, shape),
      digits = ui.digitsOf(training.data.test);
    const plane = shape.z_dim === 2;
    ui.useModel({
      enc,
      dec,
      digits,
      labels,
      words: `the VAE that you trained, after ${count(steps)} steps`,
      ...(plane && { logMarginal: (/** @type {Float32Array[]} */ some) => trainer.logMarginal(weights, shape, some) }),
    });
    return plane
      ? "The planes, sliders, drawings and bounds of this page show your model now, where they showed a VAE."
      : `The sliders, drawings and bounds of this page show your model now, where they showed a VAE. Its planes stay: they have no room for ${shape.z_dim} latents.`;
  });

  const save = withWeights(async (weights, shape, steps) => {
    const description = {
      arguments: { x_dim: 784, ...shape, beta: model.get("beta") },
      seed: model.get("seed"),
      steps,
      recipe: { images: training.data.count, optimizer: "adam", settings: recipe },
    };
    const name = `vae-${steps}-steps.safetensors`;
    ui.download(await ui.safetensors(weights, description), name);
    return `vae_core.load_model("${name}") reads the file.`;
  });

  const part = ui.h(
    "div",
    { class: "vw-column" },
    ui.h("div", { class: "vw-buttons" }, ui.button("Use my model", use), ui.button("Download it", save)),
    said,
  );
  return {
    part,
    begin: () => (recipe = [{ from: 0, ...training.settings() }]),
    note: () => recipe.push({ from: training.shown.steps, ...training.settings() }),
  };
}
