//! Both fakes together, and the two ways to reach them.

mod in_process;
mod loopback;

use std::sync::Arc;

use url::Url;
use uuid::Uuid;

use crate::clock::Clock;
use crate::dynamics::DynamicsProvider;
use crate::error::Result;
use crate::http::transport::{Request, Response, TransportError};
use crate::testkit::dataverse::FakeDataverse;
use crate::testkit::dataverse::cell::Cell;
use crate::testkit::dataverse::org::{ADDRESS, Org};
use crate::testkit::dataverse::table::Table;
use crate::testkit::entra::FakeEntra;
use crate::testkit::entra::grants::Person;
use crate::testkit::entra::tokens::{Ledger, Places};

pub(crate) use in_process::InProcess;
pub use loopback::FakeServer;

/// Microsoft's side of a connection: Entra and one Dataverse org that trust each other.
///
/// Cloning is cheap and shares the state. The person who signs in is the first user that was added
/// to the org, is enabled and has an Entra object id.
///
/// # Example
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::sync::Arc;
/// use fluint_crm::SystemClock;
/// use fluint_crm::testkit::{FakeMicrosoft, OrgBuilder};
///
/// let mut org = OrgBuilder::new(7);
/// org.add_user("Ada Lovelace", "ada@contoso.com");
/// let fake = FakeMicrosoft::new(org.build(), Arc::new(SystemClock::new()));
/// let server = fake.start().await;
/// assert_eq!(server.org_base().host_str(), Some("127.0.0.1"));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FakeMicrosoft {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    entra: FakeEntra,
    dataverse: FakeDataverse,
    ledger: Arc<Ledger>,
}

impl FakeMicrosoft {
    /// The address of the org in process, as its users see it.
    pub const ORG_ADDRESS: &'static str = ADDRESS;

    /// Both fakes over an org; the clock decides when codes and tokens expire.
    #[must_use]
    pub fn new(org: Org, clock: Arc<dyn Clock>) -> Self {
        let ledger = Arc::new(Ledger::new(in_process::places()));
        let entra = FakeEntra::new(first_person(&org), Arc::clone(&clock), Arc::clone(&ledger));
        let dataverse = FakeDataverse::new(org, clock, Arc::clone(&ledger));
        Self { parts: Arc::new(Parts { entra, dataverse, ledger }) }
    }

    /// The fake Entra.
    #[must_use]
    pub fn entra(&self) -> &FakeEntra {
        &self.parts.entra
    }

    /// The fake Dataverse.
    #[must_use]
    pub fn dataverse(&self) -> &FakeDataverse {
        &self.parts.dataverse
    }

    /// A provider that reaches the fakes in process, without a socket: for tests that need no HTTP.
    ///
    /// The person signs in by [`browse`](FakeMicrosoft::browse). The org is at
    /// [`ORG_ADDRESS`](FakeMicrosoft::ORG_ADDRESS). The provider believes of refresh tokens what the
    /// fake's [`Rotation`](crate::testkit::Rotation) is at this moment.
    ///
    /// # Errors
    /// Never, as long as the fakes' own constants fit the provider.
    ///
    /// # Example
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> fluint_crm::Result<()> {
    /// use std::sync::Arc;
    /// use fluint_crm::connector::Callback;
    /// use fluint_crm::dynamics::DYNAMICS;
    /// use fluint_crm::host::{SealingKey, StaticKeys};
    /// use fluint_crm::model::{Member, MemberId, WorkspaceId};
    /// use fluint_crm::testkit::{FakeMicrosoft, OrgBuilder};
    /// use fluint_crm::{Budget, ConnectRequest, Crm, SystemClock, storage::Stores};
    /// use fluint_crm::store::MemoryStore;
    ///
    /// let mut org = OrgBuilder::new(7);
    /// org.add_user("Ada Lovelace", "ada@contoso.com");
    /// let clock = Arc::new(SystemClock::new());
    /// let fake = FakeMicrosoft::new(org.build(), clock.clone());
    ///
    /// let stores = Stores::all(Arc::new(MemoryStore::new(clock)));
    /// let keys = StaticKeys::new(SealingKey::new("k1", [7; 32])?, vec![]);
    /// let crm = Crm::builder(stores, Arc::new(Vec::<Member>::new()), Arc::new(keys))
    ///     .provider(fake.provider()?)
    ///     .build()?;
    /// let (workspace, ada) = (WorkspaceId::new("acme")?, MemberId::new("ada")?);
    /// let address = FakeMicrosoft::ORG_ADDRESS;
    /// let request = ConnectRequest::new(workspace.clone(), ada.clone(), DYNAMICS, address);
    /// let started = crm.begin_connect(request).await?;
    /// let callback = Callback::from_url(&fake.browse(&started.url).unwrap());
    /// crm.finish_connect(&workspace, &ada, &callback).await?;
    /// let report = crm.run_due(&Budget::default()).await?;
    /// assert!(report.syncs[0].outcome.is_ok());
    /// # Ok(()) }
    /// ```
    pub fn provider(&self) -> Result<DynamicsProvider> {
        DynamicsProvider::builder()
            .client_id(FakeEntra::CLIENT_ID)
            .client_secret(FakeEntra::CLIENT_SECRET.to_owned())
            .redirect_uri(FakeEntra::REDIRECT_URI)
            .transport(Arc::new(self.in_process()))
            .refresh_tokens(self.entra().rotation().into())
            .build()
    }

    /// Lets a real OpenID provider sign people in: the org names it as its authority, and takes
    /// every token that [`FakeEntra`] did not issue for one of the person who signs in here.
    pub fn sign_in_elsewhere(&self, authority: Url) {
        self.parts.ledger.sign_in_elsewhere(authority, self.parts.entra.person());
    }

    /// Renames the org: it answers under the new address alone, such as
    /// `https://fabrikam.crm4.dynamics.com`, and the directory of orgs says so. In process only: on
    /// loopback an org has no name of its own.
    pub fn rename_org(&self, address: &str) {
        let address = address.trim_end_matches('/');
        let api = address.replacen(".crm", ".api.crm", 1);
        self.parts.ledger.rename([address.to_owned(), api]);
        self.parts.dataverse.set_address(address);
    }

    /// A transport that never leaves the process.
    pub(crate) fn in_process(&self) -> InProcess {
        InProcess::new(self.clone())
    }

    /// Opens a sign-in address as a browser does, and gives where it was sent back to.
    ///
    /// `None` when the page redirects nowhere: a mistake in the request, or "Need admin approval".
    /// The address may be one of [`FakeServer`] or one of the real Entra.
    #[must_use]
    pub fn browse(&self, address: &Url) -> Option<Url> {
        let request = Request {
            method: http::Method::GET,
            url: address.clone(),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
            expect: 0,
        };
        let response = self.parts.entra.respond(&request).ok()?;
        Url::parse(response.headers.get("location")?.to_str().ok()?).ok()
    }

    fn places(&self) -> Places {
        self.parts.ledger.places()
    }

    fn answer_entra(&self, request: &Request) -> Result<Response, TransportError> {
        self.parts.entra.respond(request)
    }

    fn answer_dataverse(&self, request: &Request) -> Result<Response, TransportError> {
        self.parts.dataverse.respond(request)
    }
}

/// The first enabled human user that was added; a stranger when there is none.
fn first_person(org: &Org) -> Person {
    let users = org.table_named("systemuser");
    let people = users.into_iter().flat_map(Table::held).filter(|row| {
        row.named("azureactivedirectoryobjectid").id().is_some()
            && *row.named("applicationid") == Cell::Null
            && *row.named("isdisabled") != true.into()
    });
    let enabled = people.min_by_key(|row| row.version());
    let text = |column: &str| enabled.and_then(|row| row.named(column).to_text());
    Person {
        object_id: enabled
            .and_then(|row| row.named("azureactivedirectoryobjectid").id())
            .unwrap_or_else(Uuid::nil),
        tenant: org.tenant,
        name: text("fullname").unwrap_or_default(),
        upn: text("domainname").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
