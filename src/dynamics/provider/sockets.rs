//! Which names are resolved and which sockets opened for an address that somebody typed, with
//! the real client: its resolver counts, and so does the one way out that it has.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::dynamics::org_url::tests::all_bad;
use crate::dynamics::test_bench::{CLIENT_ID, bench};
use reqwest::dns::{Name, Resolve, Resolving};

/// Names that were asked for; none of them is found.
#[derive(Clone, Debug, Default)]
struct Names(Arc<Mutex<Vec<String>>>);

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        self.0.lock().unwrap().push(name.as_str().to_owned());
        Box::pin(async { Err("no such name".into()) })
    }
}

/// A proxy that notes what it is asked to connect to, and hangs up.
async fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let mut line = String::new();
            let _ = BufReader::new(socket).read_line(&mut line).await;
            seen.lock().unwrap().push(line.trim().to_owned());
        }
    });
    (address, asked)
}

fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy()
}

fn provider(client: reqwest::Client) -> DynamicsProvider {
    DynamicsProvider::builder()
        .client_id(CLIENT_ID)
        .client_secret("marker-client-secret".to_owned())
        .redirect_uri("https://app.example/crm/callback")
        .http_client(client)
        .build()
        .unwrap()
}

/// Types an address and does all that a sign-in does before the browser leaves.
async fn type_in(provider: &DynamicsProvider, input: &str) -> Result<Authorization> {
    let request = SignIn {
        address: input.to_owned(),
        state: SecretString::from("s"),
        verifier: SecretString::from("v"),
        login_hint: None,
        claims: None,
        tenant: None,
    };
    provider.authorize(&bench().context, &request).await
}

#[tokio::test]
async fn r_11_bad_addresses_resolve_no_name_and_open_no_socket() {
    let names = Names::default();
    let resolving = provider(client().dns_resolver(Arc::new(names.clone())).build().unwrap());
    let (address, asked) = proxy().await;
    let all = reqwest::Proxy::all(address).unwrap();
    let connecting = provider(client().proxy(all).build().unwrap());

    let bad = all_bad();
    assert!(bad.iter().collect::<BTreeSet<_>>().len() >= 200);
    for input in &bad {
        for provider in [&resolving, &connecting] {
            let refused = type_in(provider, input).await.unwrap_err();
            assert!(matches!(refused, Error::InvalidInput { .. }), "{input}");
        }
    }
    assert!(names.0.lock().unwrap().is_empty(), "{names:?}");
    assert!(asked.lock().unwrap().is_empty(), "{asked:?}");

    // Both do count: an address of the table is looked up, and connected to, under its own name.
    for good in ["contoso.crm4.dynamics.com", "https://CONTOSO.crm.dynamics.com/main.aspx"] {
        let refused = type_in(&resolving, good).await.unwrap_err();
        assert!(matches!(refused, Error::InvalidInput { .. }), "nothing answers there");
        type_in(&connecting, good).await.unwrap_err();
    }
    let expected = ["contoso.api.crm4.dynamics.com", "contoso.api.crm.dynamics.com"];
    assert_eq!(*names.0.lock().unwrap(), expected);
    let connects = asked.lock().unwrap().join(" ");
    assert!(connects.contains("CONNECT contoso.api.crm4.dynamics.com:443"), "{connects}");
}
