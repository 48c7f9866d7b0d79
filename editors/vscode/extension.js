// Starts `rnet lsp` and connects the editor with it.

const { commands, window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function start() {
  const command = workspace.getConfiguration("rnet").get("path");
  client = new LanguageClient("rnet", "rnet", { command, args: ["lsp"] }, { documentSelector: [{ language: "rnet" }] });
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    const settings = "Open Settings";
    const chosen = await window.showErrorMessage(`\`${command} lsp\` does not start: ${error.message ?? error}`, settings);
    if (chosen === settings) {
      await commands.executeCommand("workbench.action.openSettings", "rnet.path");
    }
  }
}

async function stop() {
  const running = client;
  client = undefined;
  await running?.stop();
}

async function restart() {
  await stop();
  await start();
}

exports.activate = (context) => {
  context.subscriptions.push(
    commands.registerCommand("rnet.restart", restart),
    workspace.onDidChangeConfiguration((change) => change.affectsConfiguration("rnet.path") && restart()),
  );
  // A message may wait for an answer; the extension is active in the meantime.
  start();
};

exports.deactivate = stop;
