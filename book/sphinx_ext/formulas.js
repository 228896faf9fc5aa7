// Sets formulas without a browser: formulas.py runs this in a bare engine, after the parts of MathJax.
//
// setFormulas(["$x$", "$$y$$", "\begin{align}…\end{align}"]) gives, for each formula, the attributes and the content of its
// container, or an error; and for all of them the rules and the fonts, each with the characters that it draws.

globalThis.setFormulas = (formulas) => {
  const { _ } = MathJax;
  const adaptor = _.adaptors.liteAdaptor.liteAdaptor();
  _.handlers.html_ts.RegisterHTMLHandler(adaptor);
  const input = new _.input.tex_ts.TeX({
    packages: ["base", "ams", "color"],
    /** @param {unknown} _jax @param {Error} error */
    formatError(_jax, error) {
      throw error;
    },
  });
  const font = new _.output.chtml.fonts.tex_ts.TeXFont({ fontURL: "." });
  // As wide with any reader's fonts, and no wish for room.
  const output = new _.output.chtml_ts.CHTML({ font, matchFontHeight: false, scale: 1.1 });
  const size = { em: 16, ex: 7, containerWidth: 1e6, lineWidth: 1e6, scale: 1 };
  const page = _.mathjax.mathjax.document("", { InputJax: input, OutputJax: output });
  const words = new _.core.MmlTree.SerializedMmlVisitor.SerializedMmlVisitor();
  /** @type {Map<string, string>} */
  const classes = new Map(); // inline style -> the class in its place

  /** @param {string} source @param {object} options */
  function convert(source, options) {
    input.reset(); // or a \label would be met a second time
    return page.convert(source, options);
  }

  /** @param {any} node */
  function styleByClass(node) {
    const { style, class: names = "", ...others } = node.attributes;
    if (style && !classes.has(style)) classes.set(style, `f${classes.size}`);
    const all = [names, classes.get(style)].join(" ").trim();
    node.attributes = { ...(all && { class: all }), ...others };
    for (const child of node.children) if (child.children) styleByClass(child);
  }

  /** @param {string} tex */
  function set(tex) {
    const inline = /^\$[^$]/.test(tex);
    let source = inline ? tex.slice(1, -1) : tex.replace(/^\$\$|\$\$$/g, "");
    // As Sphinx has it: lines of a formula without an environment are aligned.
    if (tex.startsWith("$$") && source.includes("\\\\")) source = `\\begin{split}${source}\\end{split}`;
    const tree = convert(source, { display: !inline, end: _.core.MathItem.STATE.CONVERT });
    const mathml = words
      .visitTree(tree)
      .replace(/>\s+</g, "><")
      .replace(/ (data-mjx-[\w-]+|mathcolor|xmlns)="[^"]*"/g, "")
      .replace(/&#x([0-9A-F]+);/g, (/** @type {string} */ _entity, /** @type {string} */ code) =>
        String.fromCodePoint(parseInt(code, 16)),
      );
    const container = convert(source, { display: !inline, ...size });
    styleByClass(container);
    const { jax, ...attributes } = container.attributes;
    adaptor.setAttribute(adaptor.firstChild(container), "aria-hidden", "true");
    return {
      attributes: Object.entries(attributes)
        .map(([name, value]) => ` ${name}="${value}"`)
        .join(""),
      html: `${adaptor.innerHTML(container)}<mjx-assistive-mml>${mathml}</mjx-assistive-mml>`,
    };
  }

  const done = formulas.map((tex) => {
    try {
      return set(tex);
    } catch (/** @type {any} */ error) {
      return { error: error.message }; // MathJax throws what is no Error
    }
  });

  output.styleSheet(page);
  /** @type {{ styles: Record<string, Record<string, string>> }} */
  const { styles } = output.cssStyles; // selector -> property -> value
  const drawn = new Map(); // family -> characters
  for (const [selector, { content }] of Object.entries(styles)) {
    if (selector.startsWith("@font-face")) delete styles[selector];
    if (!content) continue;
    // A bracket that is put together from pieces takes them from any of four fonts.
    const families = selector.includes("stretchy")
      ? ["", "-A", "-S1", "-S4"]
      : [selector.match(/\.TEX(-\w+)/)?.[1] ?? ""];
    const text = content
      .slice(1, -1)
      .replace(
        /\\([0-9A-F]+) ?|\\(.)/g,
        (/** @type {string} */ _escaped, /** @type {string} */ code, /** @type {string} */ letter) =>
          letter ?? String.fromCodePoint(parseInt(code, 16)),
      );
    for (const family of families) drawn.set(`MJXTEX${family}`, (drawn.get(`MJXTEX${family}`) ?? "") + text);
  }
  let css = output.cssStyles.cssText.replaceAll('[jax="CHTML"]', "");
  for (const [style, name] of classes) css += `\n.${name} {\n  ${style.replaceAll(";", " !important;")}\n}\n`;
  const fonts = Object.values(font.constructor.defaultFonts)
    .map(({ "font-family": family, src }) => ({
      family,
      file: src.match(/[\w-]+\.woff/)[0],
      characters: drawn.get(family),
    }))
    .filter(({ characters }) => characters);
  return { formulas: done, css, fonts };
};
