// The official TypeScript client against a server that it starts: `node client.mjs COMMAND ARG...`.
// Asks for everything that the tests look at, and prints it as one JSON document.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { Ajv2020 } from "ajv/dist/2020.js";

const [command, ...args] = process.argv.slice(2);
const transport = new StdioClientTransport({ command, args, stderr: "pipe" });
let said = "";
transport.stderr.on("data", (chunk) => (said += chunk));
const client = new Client({ name: "an independent client", version: "1.0.0" });
// Nobody listens to what the server may write beside the protocol, so hear it here.
const strayed = [];
client.onerror = (error) => strayed.push(String(error));
await client.connect(transport);

// Formats such as `uint32` are Rust's own; everything else about a schema is judged strictly.
const ajv = new Ajv2020({ strict: true, validateFormats: false });
const { tools } = await client.listTools();
const calls = [];
for (const tool of tools) {
  const validate = ajv.compile(tool.inputSchema);
  const [example] = tool.inputSchema.examples;
  calls.push({
    tool: tool.name,
    exampleFits: validate(example),
    strangerFits: validate({ ...example, workspace: "other" }),
    answer: await client.callTool({ name: tool.name, arguments: example }),
    stranger: await client.callTool({
      name: tool.name,
      arguments: { ...example, workspace: "other" },
    }),
  });
}
const named = await client.callTool({
  name: "search_opportunities",
  arguments: { account_name: "Contoso" },
});
const bad = await client.callTool({ name: "search_opportunities", arguments: { limit: "many" } });
const unknown = await client.callTool({ name: "drop_table", arguments: {} }).then(
  (answer) => ({ answer }),
  ({ code, message }) => ({ code, message }),
);
const server = client.getServerVersion();
await client.close();
console.log(JSON.stringify({ server, tools, calls, named, bad, unknown, strayed, said }));
