//! A connection to an org that a test's closure plays.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use secrecy::SecretString;

use crate::clock::Randomness;
use crate::connector::{ChainRequest, ConnectorContext, CrmConnector, PlanRequest, Split};
use crate::dynamics::bearer::BearerTokens;
use crate::dynamics::connector::DynamicsConnector;
use crate::dynamics::endpoints::{Endpoints, Overrides};
use crate::dynamics::org_url::OrgUrl;
use crate::dynamics::parts::ConnectorParts;
use crate::dynamics::web_api::WebApi;
use crate::error::Result;
use crate::host::NoObserver;
use crate::http::fixtures::{FnTransport, JumpingClock, MemoryGates, START};
use crate::http::transport::{Request, Response, TransportErrorKind};
use crate::model::{
    Connection, ConnectionId, CrmKind, Identity, MemberId, OrganisationId, Record, RecordId, RunId,
    WorkspaceId,
};
use crate::walk::{Incomplete, Page, TablePlan, Walk};

/// The service root of the tests' org.
pub(crate) const ROOT: &str = "https://contoso.api.crm4.dynamics.com/api/data/v9.2/";

/// A body of an error, as the service writes it.
pub(crate) fn refusal(code: &str, message: &str) -> String {
    serde_json::json!({"error": {"code": code, "message": message}}).to_string()
}

/// Hands out `token-1`, and after each renewal the next one.
#[derive(Debug)]
pub(crate) struct CountedTokens {
    asked: AtomicUsize,
    renewed: AtomicUsize,
}

impl CountedTokens {
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn renewed(&self) -> usize {
        self.renewed.load(Ordering::Relaxed)
    }

    fn current(&self) -> SecretString {
        format!("token-{}", self.renewed() + 1).into()
    }
}

#[async_trait]
impl BearerTokens for CountedTokens {
    async fn bearer(&self) -> Result<SecretString> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.current())
    }

    async fn renew(&self, _rejected: &SecretString, _claims: Option<&str>) -> Result<SecretString> {
        self.renewed.fetch_add(1, Ordering::Relaxed);
        Ok(self.current())
    }
}

/// An org played by a closure, with what a test wants to look at afterwards.
pub(crate) struct Org {
    pub(crate) transport: Arc<FnTransport>,
    pub(crate) tokens: Arc<CountedTokens>,
    pub(crate) clock: Arc<JumpingClock>,
    pub(crate) gates: Arc<MemoryGates>,
}

impl Org {
    pub(crate) fn new(
        answer: impl Fn(&Request, usize) -> Result<Response, TransportErrorKind> + Send + Sync + 'static,
    ) -> Self {
        Self {
            transport: FnTransport::new(answer),
            tokens: Arc::new(CountedTokens { asked: 0.into(), renewed: 0.into() }),
            clock: JumpingClock::new(),
            gates: Arc::new(MemoryGates::default()),
        }
    }

    pub(crate) fn api(&self) -> Arc<WebApi> {
        Arc::new(WebApi::new(&self.parts()))
    }

    pub(crate) fn parts(&self) -> ConnectorParts {
        ConnectorParts {
            transport: Arc::<FnTransport>::clone(&self.transport),
            endpoints: endpoints(),
            tokens: Arc::<CountedTokens>::clone(&self.tokens),
            connection: connection(),
            context: ConnectorContext {
                clock: Arc::<JumpingClock>::clone(&self.clock),
                randomness: Arc::new(Randomness::seeded(1)),
                gates: Arc::<MemoryGates>::clone(&self.gates),
                observer: Arc::new(NoObserver),
                intake: Arc::default(),
                split: Split::default(),
            },
        }
    }
}

pub(crate) fn endpoints() -> Endpoints {
    let org = OrgUrl::parse("contoso.crm4.dynamics.com").unwrap();
    Endpoints::new(org, &Overrides::default()).unwrap()
}

fn connection() -> Connection {
    let mut identity = Identity::new(
        OrganisationId::new("0f000000-0000-0000-0000-000000000001").unwrap(),
        RecordId::new("0f000000-0000-0000-0000-000000000002").unwrap(),
    );
    identity.tenant = Some("0f000000-0000-0000-0000-000000000003".to_owned());
    Connection::new(
        ConnectionId::new(uuid::Uuid::from_u128(1)),
        WorkspaceId::new("acme").unwrap(),
        CrmKind::new("dynamics"),
        "https://contoso.crm4.dynamics.com".to_owned(),
        identity,
        MemberId::new("m1").unwrap(),
        START,
    )
}

/// Pages of a table, each with the chain it belongs to.
pub(crate) type Read<R> = Result<(TablePlan, Vec<(usize, Page<R>)>)>;

/// Plans a table and reads its chains one after the other.
pub(crate) async fn read_all<R: Record>(
    connector: &DynamicsConnector,
    fetch: impl AsyncFn(&ChainRequest) -> Result<Vec<Page<R>>>,
) -> Read<R> {
    let request = PlanRequest { table: R::TABLE, expected: None, created: Vec::new(), attempt: 0 };
    let plan = connector.plan(&request).await?;
    let mut pages = Vec::new();
    for (index, chain) in plan.chains.iter().enumerate() {
        let request = ChainRequest { plan: chain.clone(), from: None };
        pages.extend(fetch(&request).await?.into_iter().map(|page| (index, page)));
    }
    Ok((plan, pages))
}

/// What the pages prove.
pub(crate) fn proof<R: Record>(
    plan: &TablePlan,
    pages: &[(usize, Page<R>)],
) -> std::result::Result<u64, Incomplete> {
    let mut walk = Walk::new(RunId::new(uuid::Uuid::from_u128(1)), R::TABLE, plan);
    pages.iter().for_each(|(chain, page)| walk.take(*chain, page).unwrap());
    walk.finish().map(|proof| proof.rows())
}
