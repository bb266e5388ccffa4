// A JupyterLab extension without a build step: cells that begin with `docker` are coloured as a shell's, `%%dockerfile`
// cells as Dockerfiles; what holds a table is marked, so that its rows stay whole (custom.css); a line of source that a
// card names is opened in the editor; terminals live beneath cells (terminals.js). JupyterLab loads it as it loads every prebuilt extension (webpack's module
// federation): it finds an object by our name, gives it the packages that all share, and asks it for our module.
(() => {
  const DOCKERFILE = "text/x-dockerfile";
  const SHELL = "text/x-sh";
  // the first word that counts, as labs/notebook/transformer.py has it: blank lines and comments do not
  const FIRST = /^(?:[ \t]*(?:#.*)?\n)*[ \t]*(.*)/;
  const COMMAND = /^(?:docker-compose|docker)(?:[ \t]+(?:--?[A-Za-z]|[a-z]|\\$|[$"'{])|$)/;
  const PYTHON = /^docker[ \t]+(?:in|is|and|or|if|not|for|else)\b/;

  function languageOf(source) {
    if (/^\s*%%dockerfile\b/.test(source)) return DOCKERFILE;
    if (/^\s*%%docker\b/.test(source)) return SHELL;
    const first = FIRST.exec(source)[1];
    return COMMAND.test(first) && !PYTHON.test(first) ? SHELL : null;
  }

  function dress(model, plain) {
    const wanted = languageOf(model.sharedModel.getSource()) ?? plain();
    if (wanted && model.mimeType !== wanted) model.mimeType = wanted;
  }

  function watch(panel) {
    const notebook = panel.content;
    const known = new WeakSet();
    const meet = () => {
      for (const cell of notebook.widgets) {
        if (cell.model.type !== "code" || known.has(cell.model)) continue;
        known.add(cell.model);
        const again = () => dress(cell.model, () => notebook.codeMimetype);
        cell.model.contentChanged.connect(again);
        cell.model.mimeTypeChanged.connect(again); // the notebook sets its own language when the kernel is known
        again();
      }
    };
    notebook.modelContentChanged.connect(meet);
    panel.context.ready.then(meet);
  }

  // a head line of docker's tables: CONTAINER ID   IMAGE   …
  const TABLE = /^[A-Z][A-Z %/]* {2,}[A-Z]/m;
  const STDOUT = "application/vnd.jupyter.stdout";

  const printedBy = (RenderedText) => class extends RenderedText {
    async render(model) {
      await super.render(model);
      this.toggleClass("dl-table", TABLE.test(String(model.data[STDOUT])));
    }
  };

  // "kernel_engine/runtime/init.py:73": the sources lie in the workspace as links (labs/workspace.py)
  async function openSource(app, place) {
    const [file, line] = place.split(":");
    const shown = await app.commands.execute("docmanager:open", { path: `sources/${file}`, factory: "Editor" });
    await shown.context.ready;
    const editor = shown.content.editor;
    const at = Number(line) - 1;
    editor.setSelection({ start: { line: at, column: 0 }, end: { line: at, column: editor.getLine(at).length } });
    editor.focus();
    editor.revealSelection(editor.getSelection());
  }

  const here = document.currentScript.src;
  let shared = {};
  const load = async (name) => {
    const [version] = Object.values(shared[name]);
    return (await version.get())();
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["docker-labs"] = {
    init: (scope) => { shared = scope; },
    get: async () => {
      const { INotebookTracker } = await load("@jupyterlab/notebook");
      const { IRenderMimeRegistry, RenderedText } = await load("@jupyterlab/rendermime");
      const cells = {
        id: "docker-labs:cells",
        autoStart: true,
        requires: [INotebookTracker],
        activate: (app, tracker) => {
          tracker.widgetAdded.connect((_, panel) => watch(panel));
          tracker.forEach(watch);
        },
      };
      const tables = {
        id: "docker-labs:tables",
        autoStart: true,
        requires: [IRenderMimeRegistry],
        activate: (app, registry) => {
          const Printed = printedBy(RenderedText);
          registry.addFactory(
            { safe: true, mimeTypes: [STDOUT], createRenderer: (options) => new Printed(options) },
            0, // before JupyterLab's own
          );
        },
      };
      const sources = {
        id: "docker-labs:sources",
        autoStart: true,
        activate: (app) => {
          window.addEventListener("docker-labs:open", (event) => openSource(app, event.detail));
        },
      };
      const { IThemeManager } = await load("@jupyterlab/apputils");
      const { ITranslator } = await load("@jupyterlab/translation");
      const terminals = {
        id: "docker-labs:terminals",
        autoStart: true,
        requires: [INotebookTracker, IRenderMimeRegistry],
        optional: [IThemeManager, ITranslator],
        activate: async (app, tracker, registry, themes, translator) => {
          const { install } = await import(new URL("terminals.js", here));
          await install({ app, tracker, registry, themes, translator, load });
        },
      };
      return () => ({ __esModule: true, default: [cells, tables, sources, terminals] });
    },
  };
})();
