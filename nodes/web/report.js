// Shows on a node of this pack what it had to say of its last run.

import { app } from "../../scripts/app.js";

const NAME = "last_run";
const PREVIEW = "$$canvas-image-preview";
const LINE = 15; // pixels
const MOST = 20; // lines shown at once; longer reports scroll
const LETTER = 6; // pixels, about, by which long lines are counted twice
const WIDTH = 300; // pixels of a new node
const GAP = 4; // pixels that the canvas leaves below each widget

// The names under which nodes are found hold every word that people search for.
const TITLES = {
  InterpolateFrames: "Interpolate Frames",
  InterpolateVideo: "Interpolate Video",
};

function linesOf(text, width) {
  const letters = Math.max(20, (width - 30) / LETTER);
  return text.split("\n").reduce((sum, line) => sum + Math.ceil(line.length / letters || 1), 0);
}

function reportWidget(node) {
  const there = node.widgets?.find((widget) => widget.name === NAME);
  if (there) return there;
  const box = document.createElement("textarea");
  box.className = "comfy-multiline-input";
  box.readOnly = true;
  const lines = () => Math.min(MOST, linesOf(box.value, node.size[0]) + 1);
  // A type of its own: Nodes 2.0 draws those that it knows itself, and never sees what is said.
  const widget = node.addDOMWidget(NAME, "report", box, {
    getValue: () => box.value,
    setValue: (text) => {
      box.value = text;
      box.rows = lines(); // its height in Nodes 2.0
    },
    getMinHeight: () => LINE * lines(),
    serialize: false, // nor sent to the server
    read_only: true,
  });
  widget.serialize = false; // not saved with the workflow
  // The page draws a live preview over whatever is below it, to the node's end: it comes last.
  const preview = node.widgets.findIndex(({ name }) => name === PREVIEW);
  if (preview >= 0) node.widgets.push(...node.widgets.splice(preview, 1));
  return widget;
}

function show(node, output, hasRoom = false) {
  if (!output?.text?.length) return;
  const before = node.computeSize()[1];
  reportWidget(node).value = output.text.join("\n");
  if (LiteGraph.vueNodesMode) return; // Nodes 2.0 makes room by itself
  const least = node.computeSize()[1];
  const grown = hasRoom ? 0 : Math.max(0, least - before);
  node.setSize([node.size[0], Math.max(node.size[1] + grown, least)]);
  node.setDirtyCanvas?.(true, true);
}

const isOurs = (nodeData) => nodeData?.category === "RIFE Video";

// Outputs are kept by the node's id, behind that of its subgraph where it is in one.
function nodeOf(key) {
  const [id, subgraph] = key.split(":").reverse();
  const graph = subgraph ? app.graph.subgraphs?.get(subgraph) : app.graph;
  return graph?.getNodeById(id);
}

// The classic canvas knows rare inputs (right click, Show Advanced), but leaves their room empty
// and does not show that there are any. Nodes 2.0 does both by itself.
function fold(node) {
  const { nodeData } = node.constructor;
  if (!isOurs(nodeData)) return;
  const { input } = nodeData;
  const declared = { ...input?.required, ...input?.optional };
  const rare = (node.widgets ?? [])
    .filter((widget) => declared[widget.name]?.[1]?.advanced)
    .flatMap((widget) => [widget, ...(widget.linkedWidgets ?? [])]);
  if (rare.length) {
    for (const widget of rare) {
      widget.advanced = true;
      const get = () => (node.showAdvanced ? undefined : () => [0, -GAP]);
      Object.defineProperty(widget, "computeSize", { configurable: true, get });
    }
    addSwitch(node);
  }
  const [width, height] = node.computeSize();
  node.setSize([Math.max(WIDTH, width), height]);
}

function addSwitch(node) {
  const toggle = () => {
    node.toggleAdvanced();
    node.setSize([node.size[0], node.computeSize()[1]]);
  };
  const options = { serialize: false, canvasOnly: true };
  const button = node.addWidget("button", "advanced_inputs", "", toggle, options);
  button.serialize = false;
  const get = () => `${node.showAdvanced ? "Hide" : "Show"} advanced inputs`;
  Object.defineProperty(button, "label", { configurable: true, get, set() {} });
}

app.registerExtension({
  name: "rife_video.report",
  nodeCreated(node) {
    const title = TITLES[node.comfyClass];
    if (title && node.title === node.constructor.title) node.title = title;
    fold(node);
  },
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!isOurs(nodeData)) return;
    const { onExecuted } = nodeType.prototype;
    nodeType.prototype.onExecuted = function (output) {
      onExecuted?.apply(this, arguments);
      show(this, output);
    };
  },
  // A workflow that is opened again, by its tab or from the history, brings what its nodes said.
  onNodeOutputsUpdated(outputs) {
    for (const [key, output] of Object.entries(outputs ?? {})) {
      const node = nodeOf(key);
      if (isOurs(node?.constructor.nodeData)) show(node, output, true);
    }
  },
});
