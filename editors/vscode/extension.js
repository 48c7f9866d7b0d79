// Starts `rnet lsp` and connects the editor with it.

const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const command = workspace.getConfiguration("rnet").get("path");
  const server = { command, args: ["lsp"] };
  client = new LanguageClient("rnet", "rnet", server, { documentSelector: [{ language: "rnet" }] });
  return client.start();
};

exports.deactivate = () => client?.stop();
