//! Behaviours of [`Connections`](crate::storage::Connections).

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::Error;
use crate::model::{
    ConnectionChange, ConnectionId, CrmKind, Health, Identity, MemberId, OrganisationId,
    StageFilter, StageId,
};
use crate::storage::{Handshake, SignInPurpose, TokenVersion};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    Site, connection, record, sealed, stage_id, twenty_at_once, workspace,
};

fn handshake(name: &str, state: u8, started_at: OffsetDateTime) -> Handshake {
    Handshake {
        state_hash: [state; 32],
        workspace: workspace(name),
        member: MemberId::new("ada").unwrap(),
        kind: CrmKind::from_name("test"),
        purpose: SignInPurpose::Discover,
        address: "https://example.com".to_owned(),
        tenant: Some("tenant".to_owned()),
        verifier: sealed("verifier"),
        admin_consent: Some("https://example.com/approve".to_owned()),
        started_at,
        expires_at: started_at + Duration::from_secs(600),
    }
}

impl Site {
    async fn token_version(&self) -> TokenVersion {
        let tokens = self.stores.connections.tokens(&self.workspace, self.connection).await;
        tokens.unwrap().expect("the connection should have tokens").1
    }

    pub(super) async fn change(
        &self,
        revision: u64,
        change: ConnectionChange,
    ) -> Result<u64, Error> {
        let connections = &self.stores.connections;
        let changed = connections.change(&self.workspace, self.connection, revision, &change);
        changed.await.map(|changed| changed.revision)
    }

    async fn swap(&self, expected: TokenVersion, secret: &str) -> Option<TokenVersion> {
        let connections = &self.stores.connections;
        let tokens = sealed(secret);
        let swap = connections.swap_tokens(&self.workspace, self.connection, expected, &tokens);
        swap.await.unwrap()
    }

    async fn record(&self) -> crate::model::Connection {
        let all = self.stores.connections.connections(&self.workspace).await.unwrap();
        let ours = all.into_iter().find(|connection| connection.id == self.connection);
        ours.expect("the connection should be listed")
    }
}

/// CON-2: a sign-in is listed until it is answered, for its own workspace alone.
pub async fn con_2_an_open_sign_in_is_listed_for_its_workspace_alone(store: &StoreUnderTest) {
    let connections = &store.stores.connections;
    connections.open_handshake(&handshake("acme", 1, store.now())).await.unwrap();
    assert_eq!(connections.handshakes(&workspace("acme")).await.unwrap().len(), 1);
    assert!(connections.handshakes(&workspace("other")).await.unwrap().is_empty());
    connections.take_handshake(&[1; 32]).await.unwrap();
    assert!(connections.handshakes(&workspace("acme")).await.unwrap().is_empty());
}

/// CON-3: the second one to take a sign-in gets nothing.
pub async fn con_3_a_sign_in_is_taken_once(store: &StoreUnderTest) {
    let connections = &store.stores.connections;
    connections.open_handshake(&handshake("acme", 1, store.now())).await.unwrap();
    assert!(connections.take_handshake(&[1; 32]).await.unwrap().is_some());
    assert!(connections.take_handshake(&[1; 32]).await.unwrap().is_none());
}

/// CON-3: of twenty callbacks at once, one gets the sign-in.
pub async fn con_3_a_sign_in_is_taken_once_by_twenty_at_once(store: &StoreUnderTest) {
    let connections = &store.stores.connections;
    connections.open_handshake(&handshake("acme", 1, store.now())).await.unwrap();
    let taken = twenty_at_once(|_| {
        let stores = store.stores.clone();
        async move { stores.connections.take_handshake(&[1; 32]).await.unwrap().is_some() }
    });
    assert_eq!(taken.await.into_iter().filter(|taken| *taken).count(), 1);
}

/// CON-3: a forged state finds nothing and takes nothing away.
pub async fn con_3_a_sign_in_that_nobody_opened_is_not_there(store: &StoreUnderTest) {
    let connections = &store.stores.connections;
    connections.open_handshake(&handshake("acme", 1, store.now())).await.unwrap();
    assert!(connections.take_handshake(&[2; 32]).await.unwrap().is_none());
    assert!(connections.take_handshake(&[1; 32]).await.unwrap().is_some());
}

/// CON-3: every part of a sign-in comes back, so that the caller can compare.
pub async fn con_3_a_taken_sign_in_is_whole(store: &StoreUnderTest) {
    let opened = handshake("acme", 1, store.now());
    store.stores.connections.open_handshake(&opened).await.unwrap();
    let taken = store.stores.connections.take_handshake(&[1; 32]).await.unwrap();
    assert_eq!(format!("{:?}", taken.as_ref().unwrap()), format!("{opened:?}"));
    assert_eq!(taken.unwrap().verifier, opened.verifier);
}

/// CON-3: the first sync is due as soon as the connection is stored.
pub async fn con_3_connecting_makes_the_pull_due_at_once(store: &StoreUnderTest) {
    let site = store.connected().await;
    assert_eq!(store.stores.due.next_due().await.unwrap(), Some(store.now()));
    assert_eq!(site.claim().await.work, site.work());
}

/// CON-4: a sign-in that expired unanswered is still listed, the newest first.
pub async fn con_4_expired_sign_ins_are_still_listed_newest_first(store: &StoreUnderTest) {
    let connections = &store.stores.connections;
    let start = store.now();
    for (state, minutes) in [(3, 1), (1, 3), (2, 2)] {
        let at = start + Duration::from_secs(minutes * 60);
        connections.open_handshake(&handshake("acme", state, at)).await.unwrap();
    }
    store.advance(86_400);
    let listed = connections.handshakes(&workspace("acme")).await.unwrap();
    let order: Vec<u8> = listed.iter().map(|handshake| handshake.state_hash[0]).collect();
    assert_eq!(order, [1, 2, 3]);
}

/// CON-7: a change hands back what it wrote, one revision on.
pub async fn con_7_a_change_moves_the_revision_on(store: &StoreUnderTest) {
    let site = store.connected().await;
    assert_eq!(site.change(1, ConnectionChange::Failures(3)).await.unwrap(), 2);
    let held = site.record().await;
    assert_eq!((held.failures, held.revision), (3, 2));
}

/// CON-7: there is nothing to change where there is no connection.
pub async fn con_7_a_change_of_a_connection_that_is_not_there_is_refused(store: &StoreUnderTest) {
    let mut site = store.connected().await;
    site.connection = ConnectionId::new(Uuid::from_u128(99));
    let refused = site.change(1, ConnectionChange::Failures(3)).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
}

/// CON-7: who decided about an older revision has to decide anew.
pub async fn con_7_a_change_with_an_old_revision_is_refused(store: &StoreUnderTest) {
    let site = store.connected().await;
    site.change(1, ConnectionChange::Failures(1)).await.unwrap();
    let refused = site.change(1, ConnectionChange::Failures(2)).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    assert_eq!(site.record().await.failures, 1);
}

/// CON-7: a change that is itself refused leaves everything as it was.
pub async fn con_7_a_refused_change_writes_nothing(store: &StoreUnderTest) {
    let site = store.connected().await;
    let before = site.record().await;
    let too_often = ConnectionChange::Interval(Some(Duration::from_secs(1)));
    let refused = site.change(1, too_often).await;
    assert!(matches!(refused, Err(Error::InvalidInput { .. })), "{refused:?}");
    assert_eq!(site.record().await, before);
}

/// CON-7: connecting again replaces the record and its tokens and adds none; settings stay, and the
/// revision counts on, so that nobody who still holds the old record can change the new one.
pub async fn con_7_connecting_again_replaces_the_connection(store: &StoreUnderTest) {
    let site = store.connected().await;
    let stages = StageFilter::new([StageId::new("s1").unwrap()]);
    site.change(1, ConnectionChange::Filter(stages.clone())).await.unwrap();
    let mut again = connection("acme", 1, store.now());
    again.address = "https://renamed.example.com".to_owned();
    let stored = store.stores.connections.connect(&again, &sealed("second")).await.unwrap();
    assert_eq!((&stored.address, stored.revision), (&again.address, 3));
    assert_eq!(stored.filter, stages);
    assert_eq!(store.stores.connections.connections(&site.workspace).await.unwrap(), [stored]);
    let (tokens, _) =
        site.stores.connections.tokens(&site.workspace, site.connection).await.unwrap().unwrap();
    assert_eq!(tokens, sealed("second"));
}

/// CON-7: of twenty changes of one revision at once, one is written.
pub async fn con_7_one_of_twenty_changes_at_once_wins(store: &StoreUnderTest) {
    let site = store.connected().await;
    let changes = twenty_at_once(|number| {
        let site = site.clone();
        async move { site.change(1, ConnectionChange::Failures(number)).await.is_ok() }
    });
    assert_eq!(changes.await.into_iter().filter(|won| *won).count(), 1);
    assert_eq!(site.record().await.revision, 2);
}

/// CON-8: disconnecting erases the tokens in the same step; the record stays.
pub async fn con_8_disconnecting_erases_the_tokens(store: &StoreUnderTest) {
    let site = store.connected().await;
    site.change(1, ConnectionChange::Health(Health::Disconnected)).await.unwrap();
    let tokens = site.stores.connections.tokens(&site.workspace, site.connection).await.unwrap();
    assert_eq!(tokens, None);
    assert_eq!(site.record().await.health, Health::Disconnected);
}

/// CON-8: a token refresh that comes late does not bring erased tokens back.
pub async fn con_8_tokens_that_were_erased_cannot_be_swapped(store: &StoreUnderTest) {
    let site = store.connected().await;
    let version = site.token_version().await;
    site.change(1, ConnectionChange::Health(Health::Disconnected)).await.unwrap();
    assert_eq!(site.swap(version, "late").await, None);
    let tokens = site.stores.connections.tokens(&site.workspace, site.connection).await.unwrap();
    assert_eq!(tokens, None);
}

/// CON-5: swapped tokens are stored under the version handed back.
pub async fn con_5_swapped_tokens_are_the_ones_kept(store: &StoreUnderTest) {
    let site = store.connected().await;
    let first = site.token_version().await;
    let second = site.swap(first, "second").await.expect("nobody else swapped");
    assert!(second > first, "{second:?} should be later than {first:?}");
    let tokens = site.stores.connections.tokens(&site.workspace, site.connection).await.unwrap();
    assert_eq!(tokens, Some((sealed("second"), second)));
}

/// CON-5: who lost the race to swap is told so, and nothing is written.
pub async fn con_5_a_swap_with_an_old_version_is_refused(store: &StoreUnderTest) {
    let site = store.connected().await;
    let first = site.token_version().await;
    let second = site.swap(first, "second").await;
    assert_eq!(site.swap(first, "third").await, None);
    let tokens = site.stores.connections.tokens(&site.workspace, site.connection).await.unwrap();
    assert_eq!(tokens, second.map(|version| (sealed("second"), version)));
}

/// CON-5: of twenty swaps at once, one wins.
pub async fn con_5_one_of_twenty_swaps_at_once_wins(store: &StoreUnderTest) {
    let site = store.connected().await;
    let version = site.token_version().await;
    let swaps = twenty_at_once(|number| {
        let site = site.clone();
        async move { site.swap(version, &format!("refreshed {number}")).await }
    });
    let won: Vec<_> = swaps.await.into_iter().flatten().collect();
    assert_eq!(won, [site.token_version().await]);
}

/// CON-5: a refresh begun before connecting again cannot overwrite the new tokens.
pub async fn con_5_token_versions_go_on_counting_when_connecting_again(store: &StoreUnderTest) {
    let site = store.connected().await;
    let first = site.token_version().await;
    store.connected().await;
    assert!(site.token_version().await > first);
    assert_eq!(site.swap(first, "late").await, None);
}

/// CON-5: versions do not start again when tokens were erased in between.
pub async fn con_5_token_versions_go_on_counting_after_disconnecting(store: &StoreUnderTest) {
    let site = store.connected().await;
    let first = site.token_version().await;
    let last = site.swap(first, "second").await.unwrap();
    site.change(1, ConnectionChange::Health(Health::Disconnected)).await.unwrap();
    store.connected().await;
    assert!(site.token_version().await > last);
}

/// CON-9: what was sealed comes back as it is, bytes that are no text included.
pub async fn con_9_sealed_tokens_come_back_byte_for_byte(store: &StoreUnderTest) {
    let record = connection("acme", 1, store.now());
    let mut tokens = sealed("");
    tokens.bytes = (0..=255).collect();
    store.stores.connections.connect(&record, &tokens).await.unwrap();
    let held = store.stores.connections.tokens(&record.workspace, record.id).await.unwrap();
    assert_eq!(held.map(|(sealed, _)| sealed), Some(tokens));
}

/// Nothing of a connection is lost on the way into the store and back.
pub async fn every_setting_of_a_connection_is_kept(store: &StoreUnderTest) {
    let mut kept = connection("acme", 1, store.now());
    let organisation = OrganisationId::new("org \u{1f4bc}").unwrap();
    kept.identity = Identity::new(organisation, record("me"));
    kept.identity.unit = Some(record("unit"));
    kept.identity.tenant = Some("tenant".to_owned());
    kept.health = Health::NeedsReconnect {
        why: "the password was changed".to_owned(),
        claims: Some(r#"{"access_token":{}}"#.to_owned()),
    };
    kept.filter = StageFilter::new([stage_id("s2"), stage_id("s1")]);
    kept.interval = Some(Duration::from_secs(3_600));
    kept.failures = 4;
    kept.revision = 7;
    store.stores.connections.connect(&kept, &sealed("first")).await.unwrap();
    assert_eq!(store.stores.connections.connections(&kept.workspace).await.unwrap(), [kept]);
}

/// Connections are listed in the order of their ids, not of their coming.
pub async fn connections_are_listed_in_the_order_of_their_ids(store: &StoreUnderTest) {
    for number in [3, 1, 2] {
        store.connect("acme", number).await;
    }
    let listed = store.stores.connections.connections(&workspace("acme")).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|connection| connection.id.as_uuid().as_u128()).collect();
    assert_eq!(ids, [1, 2, 3]);
}

/// OLL-4: the same connection id in two workspaces names two connections.
pub async fn oll_4_a_workspace_sees_only_its_connections(store: &StoreUnderTest) {
    let ours = store.connect("acme", 1).await;
    let theirs = store.connect("other", 1).await;
    ours.change(1, ConnectionChange::Failures(5)).await.unwrap();
    assert_eq!(ours.record().await.failures, 5);
    assert_eq!(theirs.record().await.failures, 0);
    assert_eq!(theirs.record().await.workspace, workspace("other"));
    let nobody = store.stores.connections.connections(&workspace("third")).await.unwrap();
    assert_eq!(nobody, []);
}

/// OLL-4: tokens are neither read nor written by way of another workspace.
pub async fn oll_4_a_workspace_cannot_touch_the_tokens_of_another(store: &StoreUnderTest) {
    let ours = store.connected().await;
    let version = ours.token_version().await;
    let stranger = Site { workspace: workspace("other"), ..ours.clone() };
    let seen = ours.stores.connections.tokens(&stranger.workspace, stranger.connection);
    assert_eq!(seen.await.unwrap(), None);
    assert_eq!(stranger.swap(version, "stolen").await, None);
    assert_eq!(ours.token_version().await, version);
}

/// OLL-4: a connection is not changed by way of another workspace.
pub async fn oll_4_a_workspace_cannot_change_the_connection_of_another(store: &StoreUnderTest) {
    let ours = store.connected().await;
    let stranger = Site { workspace: workspace("other"), ..ours.clone() };
    let refused = stranger.change(1, ConnectionChange::Health(Health::Disconnected)).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    assert_eq!(ours.record().await.health, Health::Connected);
    ours.token_version().await;
}
