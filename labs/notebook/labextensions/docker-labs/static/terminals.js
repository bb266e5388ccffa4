// Live terminals beneath cells. An output of our kind names a ticket (labs/notebook/terminals/ticket.py); the server opens
// the terminal that its kernel has wished for, and JupyterLab's own terminal shows it here. When the command has ended, the
// output becomes a still picture in the notebook; when the output goes, the terminal is hung up.
const MIME = "application/vnd.docker-labs.terminal+json";
const FONT = '"D2Coding", "JetBrains Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';
const SCROLL_BACK = 10000;
const BURST_MS = 100;
const LEAVE = "\u0010\u0011"; // Ctrl-P, Ctrl-Q

export async function install({ app, tracker, registry, themes, translator, load }) {
  const { ServerConnection } = await load("@jupyterlab/services");
  const { Panel, Widget } = await load("@lumino/widgets");
  const { MessageLoop } = await load("@lumino/messaging");
  const live = new Set();
  const fresh = new Set(); // tickets of terminals that this page has begun, and nobody has looked at yet
  const held = new Map(); // ticket → the notebook's panel that holds its output

  async function ask(ticket, method = "POST") {
    const settings = app.serviceManager.serverSettings;
    const address = `${settings.baseUrl}docker-labs/terminals/${ticket}`;
    const reply = await ServerConnection.makeRequest(address, { method }, settings);
    if (!reply.ok) throw new ServerConnection.ResponseError(reply);
    const facts = method === "POST" ? await reply.json() : null;
    if (facts?.fresh) fresh.add(ticket);
    return facts;
  }

  function outputsOf(panel) {
    const found = new Map();
    for (const cell of panel.content.model?.cells ?? []) {
      if (cell.type !== "code") continue;
      for (let index = 0; index < cell.outputs.length; index += 1) {
        const ticket = cell.outputs.get(index).data[MIME]?.ticket;
        if (ticket) found.set(ticket, { outputs: cell.outputs, index });
      }
    }
    return found;
  }

  // the terminal has ended: what is saved with the notebook is its last screen
  function settle(ticket, facts) {
    held.delete(ticket);
    tracker.forEach((panel) => {
      const place = outputsOf(panel).get(ticket);
      if (!place) return;
      const output = place.outputs.get(place.index).toJSON();
      const data = { "text/plain": facts.text, "text/html": facts.html };
      place.outputs.set(place.index, { ...output, data });
    });
  }

  // also of cells that are out of sight: they begin at once, and their end is nobody's to wait for
  function look(panel) {
    if (panel.isDisposed) return;
    const found = outputsOf(panel);
    for (const ticket of found.keys()) {
      const known = held.has(ticket);
      held.set(ticket, panel);
      if (known) continue;
      ask(ticket).then((facts) => { if (facts.name === null) settle(ticket, facts); }, () => {});
    }
    for (const [ticket, place] of held) {
      if (place !== panel || found.has(ticket)) continue;
      held.delete(ticket);
      ask(ticket, "DELETE").catch(() => {});
    }
  }

  function watch(panel) {
    let timer = 0;
    const soon = () => {
      window.clearTimeout(timer);
      timer = window.setTimeout(() => look(panel), BURST_MS);
    };
    panel.content.modelContentChanged.connect(soon);
    panel.context.ready.then(soon);
    panel.disposed.connect(() => { // its terminals wait for it, as long as its kernel lives
      for (const [ticket, place] of held) if (place === panel) held.delete(ticket);
    });
  }

  class Live extends Panel {
    constructor() {
      super();
      this.addClass("dl-live-terminal");
      this.node.dataset.lmSuppressShortcuts = "true"; // what is typed is the program's
      this.ticket = "";
      this.observer = new ResizeObserver(() => this.fit());
    }

    async renderModel(model) {
      const { ticket } = model.data[MIME];
      if (this.ticket === ticket) return;
      this.ticket = ticket;
      await this.open(model);
    }

    async open(model) {
      let facts;
      try {
        facts = await ask(this.ticket);
      } catch (error) {
        console.debug("docker-labs: no terminal", error);
        this.showStill(String(model.data["text/plain"] ?? ""));
        return;
      }
      if (this.isDisposed) return;
      if (facts.name === null) {
        this.showStill(facts.text);
        settle(this.ticket, facts);
      } else {
        await this.connect(facts, model);
      }
    }

    async connect(facts, model) {
      const { Terminal } = await load("@jupyterlab/terminal");
      if (this.isDisposed) return;
      this.session = app.serviceManager.terminals.connectTo({ model: { name: facts.name } });
      const options = { theme: "inherit", fontFamily: FONT, scrollback: SCROLL_BACK, closeOnExit: false };
      this.terminal = new Terminal(this.session, options, translator ?? undefined);
      this.terminal.addClass("dl-screen");
      live.add(this.terminal);
      this.session.disposed.connect(() => { if (!this.isDisposed) this.end(model); });
      this.addWidget(new Widget({ node: this.frame(facts.style) }));
      this.addWidget(this.terminal);
      this.terminal.node.addEventListener("keydown", (event) => this.keys(event), true);
      this.observer.observe(this.terminal.node);
      await this.terminal.ready;
      this.fit();
      if (fresh.delete(this.ticket)) {
        this.terminal.activate();
        this.node.scrollIntoView({ block: "nearest" });
      }
    }

    frame(style) {
      const rules = document.createElement("style");
      rules.textContent = style;
      const state = document.createElement("span");
      state.setAttribute("role", "status");
      const say = () => {
        const connected = this.session.connectionStatus === "connected";
        state.textContent = connected ? "터미널이 연결됐어요." : "터미널을 연결하는 중이에요.";
      };
      this.session.connectionStatusChanged.connect(say);
      say();
      const leave = document.createElement("button");
      leave.type = "button";
      leave.textContent = "나가기(detach)";
      leave.title = "컨테이너를 그대로 두고 나가요. Ctrl-P, Ctrl-Q를 차례로 눌러도 돼요.";
      leave.addEventListener("click", () => this.session.send({ type: "stdin", content: [LEAVE] }));
      const bar = document.createElement("section");
      bar.className = "dl dl-terminal dl-bar";
      bar.setAttribute("aria-label", "터미널");
      bar.append(rules, state, leave);
      return bar;
    }

    // what these keys do everywhere in a browser: Ctrl-C copies what is selected (else it is the program's), Ctrl-V pastes,
    // Ctrl-S saves, where a terminal would stand still until Ctrl-Q
    keys(event) {
      if (!event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.code === "KeyV") {
        event.stopImmediatePropagation(); // not xterm's: the browser pastes
      } else if (event.code === "KeyC" && this.terminal.hasSelection()) {
        event.preventDefault();
        event.stopImmediatePropagation();
        navigator.clipboard?.writeText(this.terminal.getSelection()).catch(() => {});
        this.terminal._term?.clearSelection(); // the next Ctrl-C is the program's
      } else if (event.code === "KeyS" && !event.shiftKey) {
        event.preventDefault();
        event.stopImmediatePropagation();
        app.commands.execute("docmanager:save");
      }
    }

    fit() {
      if (this.terminal && !this.terminal.isDisposed) {
        MessageLoop.sendMessage(this.terminal, Widget.ResizeMessage.UnknownSize);
      }
    }

    async end(model) {
      live.delete(this.terminal);
      await this.open(model);
    }

    showStill(text) {
      this.observer.disconnect();
      this.clear();
      const printed = document.createElement("pre");
      printed.textContent = text;
      this.addWidget(new Widget({ node: printed }));
    }

    clear() {
      for (const child of [...this.widgets]) child.dispose();
    }

    dispose() {
      if (this.isDisposed) return;
      this.observer.disconnect();
      live.delete(this.terminal);
      super.dispose();
      this.session?.dispose();
    }
  }

  registry.addFactory({ safe: true, mimeTypes: [MIME], createRenderer: () => new Live() }, -10);
  themes?.themeChanged.connect(() => { for (const terminal of live) terminal.setOption("theme", "inherit"); });
  tracker.widgetAdded.connect((_, panel) => watch(panel));
  tracker.forEach(watch);
}
