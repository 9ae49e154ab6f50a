//! A client of one file: sends lines and reads lines, also such as no SDK would send.

use fluint_crm::Result;
use fluint_crm::assistant::mcp::McpServer;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio::task::JoinHandle;

/// A client, and the server that it talks to.
pub(super) struct Session {
    input: WriteHalf<DuplexStream>,
    output: Lines<BufReader<ReadHalf<DuplexStream>>>,
    server: JoinHandle<Result<()>>,
    calls: u32,
}

impl Session {
    /// Starts a server and says nothing yet.
    pub(super) fn silent(server: McpServer) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (input, output) = tokio::io::split(theirs);
        let server = tokio::spawn(server.serve(input, output));
        let (output, input) = tokio::io::split(ours);
        Self { input, output: BufReader::new(output).lines(), server, calls: 0 }
    }

    /// Starts a server and greets it.
    pub(super) async fn open(server: McpServer) -> Self {
        let mut session = Self::silent(server);
        let client = json!({ "name": "lines", "version": "1" });
        let greeting = json!({
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client,
        });
        let answer = session.ask("initialize", greeting).await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "fluint-crm", "{answer}");
        session.tell("notifications/initialized", json!({})).await;
        session
    }

    pub(super) async fn line(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The next message of the server; each is one line of JSON.
    pub(super) async fn next(&mut self) -> Value {
        serde_json::from_str(&self.output.next_line().await.unwrap().unwrap()).unwrap()
    }

    pub(super) async fn tell(&mut self, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        self.line(&message.to_string()).await;
    }

    /// Sends a request and does not wait for its answer.
    pub(super) async fn send(&mut self, method: &str, params: Value) -> u32 {
        self.calls += 1;
        let id = self.calls;
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.line(&message.to_string()).await;
        id
    }

    pub(super) async fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params).await;
        let answer = self.next().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// The answer to a call of a tool, an error of the protocol included.
    pub(super) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    /// Hangs up and gives what the server made of it.
    pub(super) async fn close(mut self) -> Result<()> {
        self.input.shutdown().await.unwrap();
        drop((self.input, self.output));
        self.server.await.unwrap()
    }
}

/// What a refused call tells the model; panics when it was not refused.
pub(super) fn refusal(answer: &Value) -> &str {
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert_eq!(answer["result"]["structuredContent"], Value::Null, "{answer}");
    answer["result"]["content"][0]["text"].as_str().unwrap()
}
