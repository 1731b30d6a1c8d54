// Shows on a node of this pack what it had to say of its last run.

import { app } from "../../scripts/app.js";
import { ComfyWidgets } from "../../scripts/widgets.js";

const NAME = "last_run";
const HEIGHT = 60; // pixels that a report of some lines takes

function reportWidget(node) {
  const there = node.widgets?.find((widget) => widget.name === NAME);
  if (there) return there;
  const { widget } = ComfyWidgets.STRING(node, NAME, ["STRING", { multiline: true }], app);
  if (widget.inputEl) widget.inputEl.readOnly = true;
  // Neither saved with the workflow nor sent to the server.
  widget.serialize = false;
  Object.assign(widget.options, { serialize: false, read_only: true });
  node.setSize([node.size[0], Math.max(node.size[1], node.computeSize()[1]) + HEIGHT]);
  return widget;
}

app.registerExtension({
  name: "rife_video.report",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.category !== "RIFE Video") return;
    const { onExecuted } = nodeType.prototype;
    nodeType.prototype.onExecuted = function (output) {
      onExecuted?.apply(this, arguments);
      if (output?.text?.length) reportWidget(this).value = output.text.join("\n");
    };
  },
});
