//! Connecting above the provider: whose callback is taken, and what is stored.

use fluint_crm::connector::Callback;
use fluint_crm::model::{FeedEvent, MemberId, WorkspaceId};
use fluint_crm::{ConnectRequest, Remedy, SignInState};
use time::Duration;

use crate::support::{KIND, ada, host, workspace};

fn other_workspace() -> WorkspaceId {
    WorkspaceId::new("globex").unwrap()
}

#[tokio::test]
async fn con_3_a_callback_without_a_state_or_with_a_forged_one_redeems_nothing() {
    let host = host();
    host.begin().await;
    let forged = [
        Callback::new([("code", "c")]),
        Callback::new([("code", "c"), ("state", "")]),
        Callback::new([("code", "c"), ("state", "0123456789abcdef")]),
    ];
    for callback in forged {
        let refused = host.crm.finish_connect(&workspace(), &ada(), &callback).await.unwrap_err();
        assert_eq!(refused.remedy(), Remedy::FixInput);
    }
    assert_eq!(host.plain.state().redeemed, 0);
}

#[tokio::test]
async fn con_3_a_callback_counts_once() {
    let host = host();
    let callback = host.begin().await;
    host.crm.finish_connect(&workspace(), &ada(), &callback).await.unwrap();
    let replayed = host.crm.finish_connect(&workspace(), &ada(), &callback).await;
    assert_eq!(replayed.unwrap_err().remedy(), Remedy::FixInput);
    assert_eq!(host.plain.state().redeemed, 1);
}

#[tokio::test]
async fn con_3_twenty_callbacks_at_once_redeem_one_code() {
    let host = host();
    let callback = host.begin().await;
    let (workspace, ada) = (workspace(), ada());
    let raced = (0..20).map(|_| host.crm.finish_connect(&workspace, &ada, &callback));
    let outcomes = futures_util::future::join_all(raced).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(host.plain.state().redeemed, 1);
}

#[tokio::test]
async fn con_3_a_callback_of_somebody_else_is_refused() {
    let host = host();
    for (workspace, member) in
        [(other_workspace(), ada()), (workspace(), MemberId::new("eve").unwrap())]
    {
        let callback = host.begin().await;
        let refused = host.crm.finish_connect(&workspace, &member, &callback).await;
        assert!(refused.unwrap_err().customer_message().contains("somebody else"));
    }
    assert_eq!(host.plain.state().redeemed, 0);
}

#[tokio::test]
async fn con_2_a_sign_in_lives_ten_minutes() {
    let host = host();
    let callback = host.begin().await;
    host.clock.advance(Duration::minutes(10));
    let late = host.crm.finish_connect(&workspace(), &ada(), &callback).await.unwrap_err();
    assert!(late.customer_message().contains("ten minutes"));
    assert_eq!(host.plain.state().redeemed, 0);
}

#[tokio::test]
async fn con_4_an_unanswered_sign_in_shows_the_administrators_link() {
    let host = host();
    host.begin().await;
    host.clock.advance(Duration::minutes(11));
    let open = host.crm.unanswered_sign_ins(&workspace()).await.unwrap();
    assert_eq!(open.len(), 1);
    assert!(open[0].expires_at < host.crm.now());
    let link = open[0].admin_consent.as_ref().map(ToString::to_string);
    assert_eq!(link.as_deref(), Some("https://plain.example/admin"));
    assert_eq!(open[0].state, SignInState::Expired);
    assert!(open[0].message().contains("administrator"));
    assert!(host.crm.unanswered_sign_ins(&other_workspace()).await.unwrap().is_empty());
}

#[tokio::test]
async fn con_7_connecting_the_same_org_again_is_the_same_connection_with_its_settings() {
    let host = host();
    let first = host.connect().await;
    let hour = std::time::Duration::from_secs(3600);
    host.crm.set_interval(&workspace(), first.id, Some(hour)).await.unwrap();
    host.clock.advance(Duration::minutes(1));
    let second = host.connect().await;
    assert_eq!((second.id, second.interval), (first.id, Some(hour)));
    assert!(second.revision > first.revision + 1);
    host.plain.state().organisation = "org-2".into();
    let third = host.connect().await;
    assert_ne!(third.id, first.id, "another organisation is another connection");
}

#[tokio::test]
async fn oll_4_two_workspaces_on_one_org_have_connections_of_their_own() {
    let host = host();
    let ours = host.connect().await;
    let request = ConnectRequest::new(other_workspace(), ada(), KIND, "plain.example");
    let started = host.crm.begin_connect(request).await.unwrap();
    let state = started.url.query_pairs().next().unwrap().1.into_owned();
    let callback = Callback::new([("state", state), ("code", "c".to_owned())]);
    let theirs = host.crm.finish_connect(&other_workspace(), &ada(), &callback).await.unwrap();
    assert_ne!(ours.id, theirs.id);
    assert!(host.crm.connection(&workspace(), theirs.id).await.is_err());
    assert!(host.crm.feed(&workspace(), theirs.id, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn act_1_connecting_is_in_the_feed() {
    let host = host();
    let connection = host.connect().await;
    let feed = host.crm.feed(&workspace(), connection.id, None, 10).await.unwrap();
    let connected = FeedEvent::Connected { address: "plain.example".into() };
    assert!(feed.iter().any(|entry| entry.event == connected));
}

#[tokio::test]
async fn syn_3_an_interval_below_the_floor_is_refused() {
    let host = host();
    let connection = host.connect().await;
    let short = Some(std::time::Duration::from_secs(14 * 60));
    let refused = host.crm.set_interval(&workspace(), connection.id, short).await.unwrap_err();
    assert_eq!(refused.to_string(), "sync interval is not usable: it must be at least 15 minutes");
}

#[tokio::test]
async fn con_9_tokens_are_sealed_in_the_store() {
    let host = host();
    let connection = host.connect().await;
    let stored = host.stores.connections.tokens(&workspace(), connection.id).await.unwrap();
    let (sealed, _) = stored.expect("the connection has tokens");
    let text = String::from_utf8_lossy(&sealed.bytes).into_owned();
    assert!(!text.contains("marker") && !format!("{:?}", host.stores).contains("marker-"));
}

#[tokio::test]
async fn con_7_an_unknown_kind_of_crm_is_the_hosts_fault() {
    let host = host();
    let kind = fluint_crm::model::CrmKind::new("unheard-of");
    let request = ConnectRequest::new(workspace(), ada(), kind, "x");
    let refused = host.crm.begin_connect(request).await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::FixConfiguration);
}
