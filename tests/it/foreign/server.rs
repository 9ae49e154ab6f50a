//! The foreign server's process, and what its database holds, read with a client of the test's own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluint_crm::dynamics::reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/odata")
}

/// An OData v4 server with an empty database; it ends with its standard input.
pub(crate) struct ODataServer {
    process: Child,
    pub(crate) at: SocketAddr,
    client: Client,
    /// Whoever writes into a pipe that nobody reads is ended.
    _output: BufReader<ChildStdout>,
}

/// A Note as the server's database holds it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) etag: String,
    pub(crate) columns: Value,
}

impl Row {
    pub(crate) fn text(&self, column: &str) -> &str {
        self.columns[column].as_str().unwrap_or_default()
    }

    /// The page that a user would open.
    pub(crate) fn page(&self) -> String {
        String::from_utf8(STANDARD.decode(self.text("documentbody")).unwrap()).unwrap()
    }
}

impl ODataServer {
    /// Starts it, or says why not.
    pub(crate) fn start() -> Option<Self> {
        let installed = folder().join("node_modules/@sap/cds").exists();
        let node = Command::new("node").arg("--version").output().is_ok();
        if !installed || !node {
            // Nobody accepts a licence for somebody else, so nothing installs it, not even CI.
            eprintln!("SKIPPED: no Node.js, or nobody chose to run `npm ci` in tests/odata");
            return None;
        }
        let mut process = Command::new("node")
            .arg("server.mjs")
            .current_dir(folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut port).unwrap();
        let port = port.trim().parse().expect("the server says its port");
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        Some(Self { process, at, client: Client::new(), _output: output })
    }

    /// A request that somebody else than the crate makes.
    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}/api/data/v9.2/{path}", self.at))
    }

    pub(crate) async fn add_opportunity(&self, id: Uuid) {
        let row = json!({ "opportunityid": id, "name": "Looms" }).to_string();
        let asked = self.ask(Method::POST, "opportunities").header("content-type", JSON).body(row);
        assert_eq!(asked.send().await.unwrap().status(), 201);
    }

    /// Every Note there is.
    pub(crate) async fn rows(&self) -> Vec<Row> {
        let answer = self.ask(Method::GET, "annotations").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        let rows = body["value"].as_array().unwrap().iter().map(|columns| Row {
            id: columns["annotationid"].as_str().unwrap().parse().unwrap(),
            etag: columns["@odata.etag"].as_str().unwrap().to_owned(),
            columns: columns.clone(),
        });
        rows.collect()
    }

    /// The one Note there is.
    pub(crate) async fn row(&self) -> Row {
        let [row] = <[Row; 1]>::try_from(self.rows().await).expect("exactly one Note");
        row
    }

    /// As a user who edits a Note.
    pub(crate) async fn edit(&self, id: Uuid, column: &str, value: &str) {
        let asked = self.ask(Method::PATCH, &format!("annotations({id})"));
        let asked = asked.header("if-match", "*").header("content-type", JSON);
        let answer = asked.body(json!({ column: value }).to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    /// As a user who deletes a Note.
    pub(crate) async fn delete(&self, id: Uuid) {
        let asked = self.ask(Method::DELETE, &format!("annotations({id})"));
        assert_eq!(asked.header("if-match", "*").send().await.unwrap().status(), 204);
    }
}

pub(crate) const JSON: &str = "application/json";

impl Drop for ODataServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
