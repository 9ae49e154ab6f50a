//! The assistant's tools over the Model Context Protocol: line by line in this process, and by the
//! official TypeScript client against the example's program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use fluint_crm::assistant::{Tools, mcp::McpServer};
use fluint_crm::model::query::Scope;
use fluint_crm::model::{Account, AccountId, ConnectionId, RecordId, Rows, Table, WorkspaceId};
use fluint_crm::storage::{Query, Stores};
use fluint_crm::store::{MemoryStore, SqliteStore};
use fluint_crm::testkit::ManualClock;
use fluint_crm::{Budget, Error, Result};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::mcp::session::{Session, refusal};
use crate::support::{Host, PlainCrm, host, host_on, opportunity, user, workspace};

mod session;

async fn fill(host: &Host) {
    {
        let mut state = host.plain.state();
        state.users = vec![user("u1", "ada@contoso.com")];
        let mut account = Account::new(AccountId::new("a1").unwrap());
        account.name = Some("Contoso".to_owned());
        let mut deal = opportunity("o1", "u1");
        deal.account = Some(account.id.clone());
        state.accounts = vec![account];
        state.opportunities = vec![deal, opportunity("o2", "u1")];
    }
    host.connect().await;
    host.crm.run_due(&Budget::default()).await.unwrap();
}

fn server_for(host: &Host, workspace: WorkspaceId) -> McpServer {
    McpServer::new(host.crm.tools(), Scope::workspace(workspace))
}

/// A store in trouble.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Fails,
    Hangs,
    Panics,
}

#[async_trait]
impl Query for Trouble {
    async fn scan(
        &self,
        _: &WorkspaceId,
        _: ConnectionId,
        _: Table,
        _: Option<&RecordId>,
        _: u32,
    ) -> Result<Rows> {
        unreachable!("no connection is listed")
    }

    async fn as_of(&self, _: &Scope) -> Result<Vec<(ConnectionId, Option<OffsetDateTime>)>> {
        match self {
            Self::Fails => Err(Error::store("read secret_table", "disk /dev/secret is gone")),
            Self::Hangs => std::future::pending().await,
            Self::Panics => panic!("a panic on purpose"),
        }
    }
}

fn server_on(trouble: Trouble) -> McpServer {
    let clock = Arc::new(ManualClock::new(datetime!(2026-02-02 09:00 UTC)));
    let mut stores = Stores::all(Arc::new(MemoryStore::new(Arc::clone(&clock) as _)));
    stores.query = Arc::new(trouble);
    McpServer::new(Tools::new(stores, clock), Scope::workspace(workspace()))
}

#[tokio::test]
async fn oll_3_an_mcp_client_is_told_of_every_tool() {
    let host = host();
    let mut session = Session::open(server_for(&host, workspace())).await;
    let answer = session.ask("tools/list", json!({})).await;
    let listed = answer["result"]["tools"].as_array().unwrap();
    let definitions = host.crm.tools().definitions();
    assert_eq!(listed.len(), definitions.len());
    for (tool, definition) in listed.iter().zip(definitions) {
        assert_eq!(tool["name"], definition.name);
        assert_eq!(tool["description"], definition.description);
        assert_eq!(tool["inputSchema"], definition.input_schema);
        assert_eq!(tool["annotations"], json!({ "readOnlyHint": true, "openWorldHint": false }));
    }
    session.close().await.unwrap();
}

#[tokio::test]
async fn oll_3_an_answer_over_mcp_is_data_and_text() {
    let host = host();
    fill(&host).await;
    let mut session = Session::open(server_for(&host, workspace())).await;
    let arguments = json!({ "account_name": "Contoso" });
    let scope = Scope::workspace(workspace());
    let ours =
        host.crm.tools().call(&scope, "search_opportunities", arguments.clone()).await.unwrap();
    let answer = session.call("search_opportunities", arguments).await;
    let result = &answer["result"];
    assert_eq!(result["isError"], false);
    assert_eq!(result["structuredContent"], ours);
    assert_eq!(result["structuredContent"]["opportunities"][0]["id"], "o1");
    assert_eq!(result["content"][0]["text"], ours["answer"]);
    // A client that knows text only still has the rows.
    let text = result["content"][1]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), ours);

    // No arguments at all are no mistake where none are required.
    let all = session.ask("tools/call", json!({ "name": "search_opportunities" })).await;
    assert_eq!(all["result"]["structuredContent"]["opportunities"].as_array().unwrap().len(), 2);
    session.close().await.unwrap();
}

#[tokio::test]
async fn oll_3_bad_arguments_over_mcp_are_words_for_the_model() {
    let mut session = Session::open(server_for(&host(), workspace())).await;
    let answer = session.call("search_opportunities", json!({ "limit": 51 })).await;
    assert_eq!(
        refusal(&answer),
        "the argument limit is not usable: it must be 1 to 50; a good value is 20"
    );
    let answer = session.call("pipeline_value", json!({})).await;
    assert!(refusal(&answer).contains("it is missing; a good value is"), "{answer}");

    let answer = session.call("drop_table", json!({})).await;
    assert_eq!(answer["error"]["code"], -32602);
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("there is no tool drop_table; there are pipeline_value,"));
    let long = session.call(&"é".repeat(5000), json!({})).await;
    assert!(long["error"]["message"].as_str().unwrap().len() < 1000);
    session.close().await.unwrap();
}

#[tokio::test]
async fn oll_3_what_is_no_message_does_not_end_an_mcp_session() {
    let mut session = Session::open(server_for(&host(), workspace())).await;
    session.line("this is not JSON").await;
    session.line("").await;
    session.line("[1, 2").await;
    let list = session.call("search_opportunities", json!(["Contoso"])).await;
    assert!(list["error"]["code"].is_i64(), "{list}");
    let nothing = session.ask("no/such/method", json!({})).await;
    assert_eq!(nothing["error"]["code"], -32601);
    let answer = session.call("search_opportunities", json!({})).await;
    assert_eq!(answer["result"]["isError"], false);
    session.close().await.unwrap();
}

#[tokio::test]
async fn oll_3_a_store_in_trouble_ends_one_mcp_call_and_tells_nothing_of_the_inside() {
    for (trouble, words) in [
        (
            Trouble::Fails,
            "The synced CRM data cannot be read right now. The same call may work later.",
        ),
        (Trouble::Panics, "This tool failed on our side. Other questions may be answered."),
    ] {
        let mut session = Session::open(server_on(trouble)).await;
        for _ in 0..2 {
            let answer = session.call("pipeline_value", json!({ "period": "this_year" })).await;
            assert_eq!(refusal(&answer), words, "{trouble:?}");
        }
        session.close().await.unwrap();
    }
}

#[tokio::test]
async fn oll_3_a_cancelled_mcp_call_is_dropped_and_the_next_is_answered() {
    let mut session = Session::open(server_on(Trouble::Hangs)).await;
    let arguments = json!({ "period": "this_year" });
    let hung = json!({ "name": "pipeline_value", "arguments": arguments });
    let id = session.send("tools/call", hung.clone()).await;
    session.tell("notifications/cancelled", json!({ "requestId": id })).await;
    let answer = session.call("pipeline_value", json!({ "period": "someday" })).await;
    assert!(refusal(&answer).starts_with("the argument period"), "{answer}");
    let id = session.send("tools/call", hung).await;
    session.tell("notifications/cancelled", json!({ "requestId": id })).await;
    session.close().await.unwrap();
}

#[tokio::test]
async fn oll_3_an_mcp_client_that_says_nothing_or_nonsense_ends_alone() {
    Session::silent(server_for(&host(), workspace())).close().await.unwrap();
    let mut rude = Session::silent(server_for(&host(), workspace()));
    rude.send("tools/list", json!({})).await;
    // Without a greeting, a request would have to say of itself what a greeting says.
    assert_eq!(rude.next().await["error"]["code"], -32602);
    rude.close().await.unwrap();
}

#[tokio::test]
async fn oll_4_an_mcp_server_is_of_one_workspace() {
    let host = host();
    fill(&host).await;
    let other = WorkspaceId::new("other").unwrap();
    let mut session = Session::open(server_for(&host, other)).await;
    let answer = session.call("search_opportunities", json!({})).await;
    assert_eq!(answer["result"]["structuredContent"]["opportunities"], json!([]));
    for name in ["workspace", "scope", "tenant"] {
        let answer = session.call("search_opportunities", json!({ name: "acme" })).await;
        assert!(refusal(&answer).contains("there is no such argument"), "{answer}");
    }
    session.close().await.unwrap();
}

/// The example's program, next to this one; built when only this one was.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let folder = tests.parent().unwrap().parent().unwrap();
    let program = folder.join("examples").join(format!("mcp{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--all-features", "--example", "mcp", "--target-dir"]);
        build.arg(folder.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success());
    }
    program
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// Node.js, when it and the client's packages are there; or says why not.
fn node() -> Option<Command> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp");
    let installed = folder.join("node_modules/@modelcontextprotocol/sdk").exists();
    if !installed || Command::new("node").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "Node.js and `npm ci` in tests/mcp are missing");
        eprintln!("SKIPPED: no Node.js, or `npm ci` was not run in tests/mcp");
        return None;
    }
    let mut node = Command::new("node");
    node.arg("client.mjs").current_dir(folder);
    Some(node)
}

#[tokio::test]
async fn oll_3_an_independent_mcp_client_lists_and_calls_every_tool() {
    let Some(mut node) = node() else { return };
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("crm.db");
    let definitions = {
        let clock = Arc::new(ManualClock::new(datetime!(2026-02-02 09:00 UTC)));
        let store = SqliteStore::open(&database, Arc::clone(&clock) as _).unwrap();
        let host = host_on(Stores::all(Arc::new(store)), clock, PlainCrm::default());
        fill(&host).await;
        host.crm.tools().definitions()
    };
    node.arg(program()).arg("--database").arg(&database).args(["--workspace", "acme"]);
    let ran = run(&mut node);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let seen: Value = serde_json::from_slice(&ran.stdout).unwrap();

    assert_eq!(seen["server"]["name"], "fluint-crm");
    assert_eq!(seen["strayed"], json!([]), "standard output is the protocol's alone");
    let said = seen["said"].as_str().unwrap();
    assert!(said.contains("over workspace acme"), "{said}");
    assert!(said.contains("CRMs connected: 1, synced 2026-02-02"), "{said}");
    let calls = seen["calls"].as_array().unwrap();
    assert_eq!(calls.len(), definitions.len());
    for (call, definition) in calls.iter().zip(definitions) {
        assert_eq!(call["tool"], definition.name);
        assert_eq!(call["exampleFits"], true, "{call}");
        assert_eq!(call["strangerFits"], false, "{call}");
        assert_ne!(call["answer"]["isError"], true, "{call}");
        assert!(call["answer"]["structuredContent"].is_object(), "{call}");
        assert_eq!(call["answer"]["content"][0]["type"], "text", "{call}");
        assert_eq!(call["stranger"]["isError"], true, "{call}");
    }
    assert_eq!(seen["named"]["structuredContent"]["opportunities"][0]["id"], "o1");
    assert_eq!(seen["bad"]["isError"], true);
    let words = seen["bad"]["content"][0]["text"].as_str().unwrap();
    assert!(words.starts_with("the argument limit is not usable"), "{words}");
    assert_eq!(seen["unknown"]["code"], -32602, "{}", seen["unknown"]);
}

#[test]
fn oll_3_the_mcp_example_asks_for_the_quickstart_first() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(Command::new(program()).current_dir(folder.path()));
    assert!(!ran.status.success());
    assert_eq!(ran.stdout, b"");
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(said.contains("quickstart.db is not there; run the quickstart first"), "{said}");
    assert!(!folder.path().join("quickstart.db").exists());
}
