//! The connector against the stateful fake, in process: what the closures of the other tests cannot
//! show, that both sides understand each other.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use secrecy::SecretString;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::connector::{ChainRequest, CrmConnector, Fence, Lookup, NoteParts};
use crate::dynamics::bearer::BearerTokens;
use crate::dynamics::connector::DynamicsConnector;
use crate::dynamics::fixtures::{Org, proof, read_all};
use crate::dynamics::parts::ConnectorParts;
use crate::error::Result;
use crate::http::fixtures::JumpingClock;
use crate::http::transport::Transport;
use crate::model::{
    Attachment, ContentHash, DealId, DocumentId, NoteDraft, NoteKey, NoteRefusal, NoteWrite,
    OpportunityId, OpportunityStatus, OrganisationId, Record, RecordId, RevisionStamp, Rows, Table,
    WorkspaceId,
};
use crate::rules::read_stamp;
use crate::testkit::{Closing, FakeMicrosoft, Fault, OrgBuilder, Place};
use crate::walk::Page;

/// The time by which a write must be begun, where it does not matter.
const NEVER: OffsetDateTime = time::macros::datetime!(9999-01-01 00:00 UTC);

const ORG: &str = "https://contoso.api.crm4.dynamics.com";

/// Asks the fake Entra for a token whenever one is needed.
#[derive(Debug)]
struct Minted(FakeMicrosoft);

#[async_trait]
impl BearerTokens for Minted {
    async fn bearer(&self) -> Result<SecretString> {
        Ok(self.0.entra().mint_token(&ORG.parse().unwrap()).into())
    }

    async fn renew(&self, _rejected: &SecretString, _claims: Option<&str>) -> Result<SecretString> {
        self.bearer().await
    }
}

struct Contoso {
    fake: FakeMicrosoft,
    connector: DynamicsConnector,
    opportunities: Vec<Uuid>,
}

/// An org with three opportunities, two of them at a stage.
fn contoso() -> Contoso {
    let mut org = OrgBuilder::new(7);
    let ada = org.add_user("Ada Lovelace", "ada@contoso.com").id();
    let account = org.add_account("Fabrikam").owned_by(ada).id();
    org.add_contact("Grace Hopper", account).owned_by(ada);
    let (sales, lead) = (org.sales_process(), org.lead_process());
    let opportunities = vec![
        org.add_opportunity("One", account).owned_by(ada).worth("7.25").in_stage(&sales, 1).id(),
        org.add_opportunity("Two", account).owned_by(ada).in_stage(&lead, 2).id(),
        org.add_opportunity("Three", account).owned_by(ada).id(),
    ];
    let local = Org::new(|_, _| panic!("replaced"));
    let fake = FakeMicrosoft::new(org.build(), Arc::<JumpingClock>::clone(&local.clock));
    let transport: Arc<dyn Transport> = Arc::new(fake.in_process());
    let tokens: Arc<dyn BearerTokens> = Arc::new(Minted(fake.clone()));
    let parts = ConnectorParts { transport, tokens, ..local.parts() };
    Contoso { fake, connector: DynamicsConnector::new(&parts), opportunities }
}

/// Reads a table to its end: its rows, after the walk has proved that they are all.
async fn all<R: Record>(
    connector: &DynamicsConnector,
    fetch: impl AsyncFn(&ChainRequest) -> Result<Vec<Page<R>>>,
) -> Vec<R> {
    let (plan, pages) = read_all(connector, fetch).await.unwrap();
    for (_, page) in &pages {
        assert_eq!((page.notices.len(), page.unreadable), (0, 0), "{:?}", page.notices);
    }
    proof(&plan, &pages).unwrap();
    pages.into_iter().flat_map(|(_, page)| page.rows).collect()
}

/// `all!(connector, users)`: the rows of a table.
macro_rules! all {
    ($connector:ident, $table:ident) => {
        all($connector, async |chain| $connector.$table(chain).try_collect().await).await
    };
}

#[tokio::test]
async fn syn_1_every_table_is_read_to_its_end() {
    let contoso = contoso();
    let connector = &contoso.connector;
    connector.check().await.unwrap();
    assert_eq!(all!(connector, users)[0].name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(all!(connector, accounts)[0].name.as_deref(), Some("Fabrikam"));
    assert_eq!(all!(connector, contacts)[0].name.as_deref(), Some("Grace Hopper"));
    assert_eq!(all!(connector, currencies)[0].code.as_str(), "EUR");
    let stages = all!(connector, stages);
    assert_eq!(stages.len(), 8);
    let opportunities = all!(connector, opportunities);
    assert_eq!(opportunities.len(), 3);
    assert!(opportunities.iter().all(|row| row.owner.is_some() && row.customer.is_some()));
    let one = opportunities.iter().find(|row| row.name.as_deref() == Some("One")).unwrap();
    assert_eq!(one.value.unwrap().to_string(), "7.25");
    let assignments = all!(connector, stage_assignments);
    assert_eq!(assignments.len(), 2);
    let stage = &assignments.iter().find(|row| row.opportunity == one.id).unwrap().stage;
    let name = stages.iter().find(|known| known.id == *stage).unwrap().name.as_deref();
    assert_eq!(name, Some("Develop"));
}

#[tokio::test]
async fn r_18_the_fake_tells_closed_gone_and_hidden() {
    let contoso = contoso();
    let dataverse = contoso.fake.dataverse();
    let ids: Vec<RecordId> =
        contoso.opportunities.iter().map(|id| RecordId::new(id.to_string()).unwrap()).collect();
    dataverse.close_opportunity(contoso.opportunities[0], Closing::Won);
    dataverse.delete("opportunity", contoso.opportunities[1]);
    let found = contoso.connector.lookup(Table::Opportunities, &ids).await.unwrap();
    let won = |lookup: &Lookup| match lookup {
        Lookup::Present { row: Rows::Opportunities(rows), .. } => {
            rows[0].status == OpportunityStatus::Won
        }
        _ => false,
    };
    assert!(won(&found[0]), "{found:?}");
    assert_eq!(found[1], Lookup::Hidden);
    assert!(matches!(found[2], Lookup::Present { .. }), "{found:?}");
    let one = contoso.connector.lookup(Table::Opportunities, &ids[1..2]).await.unwrap();
    assert_eq!(one, [Lookup::Gone]);
}

fn key() -> NoteKey {
    NoteKey {
        workspace: WorkspaceId::new("acme").unwrap(),
        organisation: OrganisationId::new("org").unwrap(),
        deal: DealId::new(Uuid::from_u128(7)),
        document: DocumentId::new("plan").unwrap(),
    }
}

fn draft(opportunity: Uuid, revision: u64, file_name: &str) -> NoteDraft {
    let stamp = RevisionStamp { revision, content: ContentHash::of(&revision.to_be_bytes()) };
    let meta = format!("{}:{}", stamp.revision, stamp.content);
    let page =
        format!("<html><head><meta name=\"fluint-revision\" content=\"{meta}\"></head></html>");
    let attachment = Attachment {
        file_name: file_name.to_owned(),
        media_type: "text/html".to_owned(),
        bytes: page.into_bytes(),
    };
    let opportunity = OpportunityId::new(opportunity.to_string()).unwrap();
    NoteDraft::new(opportunity, "Plan".to_owned(), "Synced".to_owned(), attachment, stamp)
}

/// DOC-2: one note through create, a repeated create, an update, and an update that comes too late.
#[tokio::test]
async fn doc_2_a_note_lives_through_its_revisions() {
    let contoso = contoso();
    let (connector, opportunity) = (&contoso.connector, contoso.opportunities[0]);
    let first = draft(opportunity, 1, "plan.html");
    let NoteWrite::Written(created) =
        connector.create_note(&key(), 0, &first, NEVER).await.unwrap()
    else {
        panic!("not created");
    };
    let NoteWrite::Conflict(again) = connector.create_note(&key(), 0, &first, NEVER).await.unwrap()
    else {
        panic!("created twice");
    };
    assert_eq!((again.content.stamp(), &again.handle), (Some(first.stamp), &created));
    let second = draft(opportunity, 2, "plan.html");
    let NoteWrite::Written(updated) =
        connector.update_note(&created, &second, Fence::Version).await.unwrap()
    else {
        panic!("not updated");
    };
    assert_ne!(updated.version, created.version);
    let third = draft(opportunity, 3, "plan.html");
    let late = connector.update_note(&created, &third, Fence::Version).await.unwrap();
    assert!(
        matches!(late, NoteWrite::Conflict(note) if note.content.stamp() == Some(second.stamp))
    );
    let found = connector.find_note(&key(), 0, NoteParts::Whole).await.unwrap().unwrap();
    assert_eq!(read_stamp(&found.attachment.unwrap().bytes), Some(second.stamp));
    assert_eq!(found.handle.opportunity, Some(second.opportunity.clone()));
    assert_eq!(contoso.fake.dataverse().ids("annotation").len(), 1);
    contoso.fake.dataverse().delete("annotation", key().note_id(0));
    assert_eq!(
        connector.update_note(&updated, &second, Fence::Version).await.unwrap(),
        NoteWrite::Gone
    );
    assert_eq!(connector.find_note(&key(), 0, NoteParts::Head).await.unwrap(), None);
}

/// the answer to the create is lost; it is not sent twice, and what it made is found.
#[tokio::test]
async fn r_2_a_create_whose_answer_is_lost_is_not_sent_again() {
    let contoso = contoso();
    contoso.fake.dataverse().plant(Place::next_to("annotations"), Fault::AnswerLost);
    let draft = draft(contoso.opportunities[0], 1, "plan.html");
    let outcome = contoso.connector.create_note(&key(), 0, &draft, NEVER).await.unwrap();
    assert_eq!(outcome, NoteWrite::Unknown);
    let found = contoso.connector.find_note(&key(), 0, NoteParts::Head).await.unwrap().unwrap();
    assert_eq!(found.content.stamp(), Some(draft.stamp));
    assert_eq!(contoso.fake.dataverse().ids("annotation").len(), 1);
}

#[tokio::test]
async fn doc_6_a_blocked_type_is_refused() {
    let contoso = contoso();
    let draft = draft(contoso.opportunities[0], 1, "plan.hta");
    let outcome = contoso.connector.create_note(&key(), 0, &draft, NEVER).await.unwrap();
    assert_eq!(outcome, NoteWrite::Refused(NoteRefusal::TypeBlocked));
}

#[tokio::test]
async fn doc_6_an_opportunity_that_is_gone_takes_no_note() {
    let contoso = contoso();
    let draft = draft(Uuid::from_u128(99), 1, "plan.html");
    let outcome = contoso.connector.create_note(&key(), 0, &draft, NEVER).await.unwrap();
    assert_eq!(outcome, NoteWrite::Refused(NoteRefusal::OpportunityGone));
}
