use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard};

use time::macros::datetime;
use uuid::Uuid;

use super::*;
use crate::clock::Randomness;
use crate::host::{SealingKey, StaticKeys};
use crate::model::{Connection, ConnectionChange};
use crate::storage::Handshake;

const END: OffsetDateTime = datetime!(2026-02-02 10:00 UTC);

/// The row of one connection.
#[derive(Debug)]
struct Row(Mutex<(Sealed, u64, Swaps)>);

/// What swaps meet.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Swaps {
    Fail,
    /// Somebody else is always first.
    Lost,
    Work,
}

impl Row {
    fn get(&self) -> MutexGuard<'_, (Sealed, u64, Swaps)> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Connections for Row {
    async fn open_handshake(&self, _: &Handshake) -> Result<()> {
        unreachable!()
    }

    async fn take_handshake(&self, _: &[u8; 32]) -> Result<Option<Handshake>> {
        unreachable!()
    }

    async fn handshakes(&self, _: &WorkspaceId) -> Result<Vec<Handshake>> {
        unreachable!()
    }

    async fn connect(&self, _: &Connection, _: &Sealed) -> Result<Connection> {
        unreachable!()
    }

    async fn connections(&self, _: &WorkspaceId) -> Result<Vec<Connection>> {
        unreachable!()
    }

    async fn change(
        &self,
        _: &WorkspaceId,
        _: ConnectionId,
        _: u64,
        _: &ConnectionChange,
    ) -> Result<Connection> {
        unreachable!()
    }

    async fn tokens(
        &self,
        _: &WorkspaceId,
        _: ConnectionId,
    ) -> Result<Option<(Sealed, TokenVersion)>> {
        let row = self.get();
        Ok(Some((row.0.clone(), TokenVersion(row.1))))
    }

    async fn swap_tokens(
        &self,
        _: &WorkspaceId,
        _: ConnectionId,
        expected: TokenVersion,
        tokens: &Sealed,
    ) -> Result<Option<TokenVersion>> {
        let mut row = self.get();
        match row.2 {
            Swaps::Fail => return Err(Error::store("replace the tokens", "a test's fault")),
            Swaps::Lost => row.1 += 1,
            Swaps::Work => {}
        }
        if row.1 != expected.0 {
            return Ok(None);
        }
        (row.0, row.1) = (tokens.clone(), expected.0 + 1);
        Ok(Some(TokenVersion(row.1)))
    }
}

fn sealer(ids: &[&str]) -> Sealer {
    let mut keys = ids.iter().map(|id| {
        let byte = id.bytes().fold(0, u8::wrapping_add);
        SealingKey::new(*id, [byte; 32]).unwrap()
    });
    let current = keys.next().unwrap();
    let ring = StaticKeys::new(current, keys.collect());
    Sealer::new(Arc::new(ring), Arc::new(Randomness::seeded(3)))
}

fn workspace() -> WorkspaceId {
    WorkspaceId::new("acme").unwrap()
}

const CONNECTION: ConnectionId = ConnectionId::new(Uuid::from_u128(7));

fn tokens(name: &str) -> Tokens {
    Tokens {
        access: SecretString::from(format!("marker-access-{name}")),
        expires_at: Some(END),
        refresh: Some(SecretString::from(format!("marker-refresh-{name}"))),
    }
}

/// A row that was sealed with the first of these keys.
fn row(ids: &[&str]) -> Arc<Row> {
    let sealed = seal(&sealer(ids), &workspace(), CONNECTION, &tokens("0")).unwrap();
    Arc::new(Row(Mutex::new((sealed, 1, Swaps::Work))))
}

/// The vault of a worker with these keys, the current one first.
fn vault(row: &Arc<Row>, ids: &[&str]) -> StoreVault {
    StoreVault::new(Arc::clone(row) as _, sealer(ids), workspace(), CONNECTION)
}

#[tokio::test]
async fn con_9_r_10_an_old_seal_is_renewed_when_it_is_read() {
    let row = row(&["old"]);
    let stored = vault(&row, &["new", "old"]).load().await.unwrap();
    assert_eq!(stored.tokens.access.expose_secret(), "marker-access-0");
    {
        let held = row.get();
        assert_eq!((held.0.key_id.as_str(), held.1), ("new", 2));
    }
    assert_eq!(stored.version, TokenVersion(2), "whoever read it can replace it");
    // Read again, nothing is written; and the old key can go.
    let stored = vault(&row, &["new"]).load().await.unwrap();
    assert_eq!(stored.version, TokenVersion(2));
    assert_eq!(stored.tokens.expires_at, Some(END));
    let error = vault(&row, &["old"]).load().await.unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error:?}");
}

#[tokio::test]
async fn con_9_r_10_a_read_succeeds_although_its_seal_was_not_renewed() {
    for swaps in [Swaps::Fail, Swaps::Lost] {
        let row = row(&["old"]);
        row.get().2 = swaps;
        let stored = vault(&row, &["new", "old"]).load().await.unwrap();
        assert_eq!(stored.tokens.access.expose_secret(), "marker-access-0", "{swaps:?}");
        assert_eq!(row.get().0.key_id, "old");
    }
}

#[tokio::test]
async fn con_9_r_10_workers_on_either_side_of_a_rotation_read_each_other() {
    let row = row(&["old"]);
    let (ahead, behind) = (vault(&row, &["new", "old"]), vault(&row, &["old", "new"]));
    for name in ["1", "2", "3"] {
        for vault in [&ahead, &behind] {
            let stored = vault.load().await.unwrap();
            let until = END;
            let Replaced::Stored(version) = vault.reserve(&stored, until).await.unwrap() else {
                panic!("nobody else is there");
            };
            // The other one reads meanwhile, and takes nothing away.
            for other in [&ahead, &behind] {
                let seen = other.load().await.unwrap();
                assert_eq!((seen.refreshing_until, seen.version), (Some(until), version));
            }
            let replaced = vault.replace(version, &tokens(name)).await.unwrap();
            assert!(matches!(replaced, Replaced::Stored(_)));
            let seen = ahead.load().await.unwrap();
            assert_eq!(seen.tokens.access.expose_secret(), format!("marker-access-{name}"));
            assert_eq!(seen.refreshing_until, None);
        }
    }
}

#[tokio::test]
async fn con_5_a_lost_swap_hands_back_what_stands_there() {
    let row = row(&["k"]);
    let (one, two) = (vault(&row, &["k"]), vault(&row, &["k"]));
    let stored = one.load().await.unwrap();
    assert!(matches!(two.reserve(&stored, END).await.unwrap(), Replaced::Stored(_)));
    for lost in [
        one.reserve(&stored, END).await.unwrap(),
        one.replace(stored.version, &tokens("1")).await.unwrap(),
    ] {
        let Replaced::Lost(there) = lost else { panic!("it was not lost") };
        assert_eq!((there.version, there.refreshing_until), (TokenVersion(2), Some(END)));
    }
}

#[tokio::test]
async fn con_9_r_10_another_connections_row_does_not_open() {
    let row = row(&["k"]);
    let elsewhere = ConnectionId::new(Uuid::from_u128(8));
    let other = StoreVault::new(Arc::clone(&row) as _, sealer(&["k"]), workspace(), elsewhere);
    let error = other.load().await.unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error:?}");
    let abroad = WorkspaceId::new("globex").unwrap();
    let other = StoreVault::new(row, sealer(&["k"]), abroad, CONNECTION);
    assert!(matches!(other.load().await.unwrap_err(), Error::Config { .. }));
}

#[test]
fn con_9_the_buffer_before_sealing_never_grows() {
    // A buffer that grows leaves its former self, with the tokens, in the heap.
    for (access, refresh) in [("a", None), ("\u{1}\u{2}\"\\", Some("\u{1}".repeat(9_000)))] {
        let written = Written {
            access,
            expires_at: Some(i64::MIN),
            refresh: refresh.as_deref(),
            refreshing_until: Some(i64::MIN),
        };
        let bytes = written.to_bytes().unwrap();
        assert!(bytes.len() <= written.room());
        assert_eq!(bytes.capacity(), written.room());
    }
}

#[test]
fn con_9_what_was_opened_is_wiped() {
    fn wiped_on_drop<T: ZeroizeOnDrop>() {}
    wiped_on_drop::<Plain>();
    wiped_on_drop::<Zeroizing<Vec<u8>>>();
    let mut plain = Plain {
        access: "marker".into(),
        expires_at: Some(1),
        refresh: Some("marker".into()),
        refreshing_until: Some(1),
    };
    plain.zeroize();
    assert!(plain.access.is_empty() && plain.refresh.is_none());
}

/// Whether a type can be copied or written out: the inherent constant hides the trait's where its
/// bound holds.
struct Probe<T>(PhantomData<T>);

trait Otherwise {
    const CLONE: bool = false;
    const SERIALIZE: bool = false;
}

impl<T> Otherwise for Probe<T> {}

impl<T: Clone> Probe<T> {
    const CLONE: bool = true;
}

impl<T: Serialize> Probe<T> {
    const SERIALIZE: bool = true;
}

#[test]
fn con_9_tokens_and_keys_are_neither_copied_nor_written_out_by_accident() {
    macro_rules! neither {
        ($($secret:ty),+ $(,)?) => {$(
            assert!(!Probe::<$secret>::CLONE, "{} is Clone", stringify!($secret));
            assert!(!Probe::<$secret>::SERIALIZE, "{} is Serialize", stringify!($secret));
        )+};
    }
    neither!(Tokens, StoredTokens, Replaced, SealingKey, StaticKeys, Plain);
    neither!(crate::connector::SignedIn, crate::connector::SignIn);
    const {
        assert!(Probe::<String>::CLONE && Probe::<String>::SERIALIZE, "the probe can tell");
    }
}
