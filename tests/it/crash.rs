//! Crashes before and after every durable write, and leases that end too early.

use std::sync::Arc;

use fluint_crm::MirrorFate;
use fluint_crm::model::Table;
use fluint_crm::storage::Stores;
use fluint_crm::store::SqliteStore;
use fluint_crm::testkit::CrashPoint;

use crate::crash::faulty::ForgetfulFeed;
use crate::crash::scenario::Scenario;
use crate::crash::scenario::Step::{Connect, Disconnect, Filter, Org, Publish, Settle, SyncNow};
use crate::crash::world::{World, day_later};
use crate::support::Failure;

mod faulty;
mod leases;
mod scenario;
mod snapshot;
mod world;

const FIRST_SYNC: Scenario =
    Scenario { name: "connect and first sync", before: &[], crashed: &[Connect, Settle] };

const SECOND_SYNC: Scenario = Scenario {
    name: "second sync with changes, another filter and vanished rows",
    before: &[Connect, Settle],
    crashed: &[Org(day_later), Filter(&["s1", "s3"]), SyncNow, Settle],
};

const PUBLISH: Scenario = Scenario {
    name: "create two notes and update one",
    before: &[Connect, Settle],
    crashed: &[
        Publish("o1", "d1", 1),
        Publish("o2", "d2", 1),
        Settle,
        Publish("o1", "d1", 2),
        Publish("o1", "d1", 3),
        Settle,
    ],
};

const NOTE_DELETED: Scenario = Scenario {
    name: "a deleted note gives way to a fresh one",
    before: &[Connect, Settle, Publish("o1", "d1", 1), Settle],
    crashed: &[Org(|org| org.timeline.clear()), Publish("o1", "d1", 2), Settle],
};

const FILE_REPLACED: Scenario = Scenario {
    name: "a file put in by a CRM user is overwritten",
    before: &[Connect, Settle, Publish("o1", "d1", 1), Settle],
    crashed: &[Org(|org| org.timeline.replace_files()), Publish("o1", "d1", 2), Settle],
};

const NOTE_REFUSED: Scenario = Scenario {
    name: "a refused note is parked until the next revision",
    before: &[Connect, Settle, Publish("o1", "d1", 1), Settle],
    crashed: &[
        Org(|org| org.refuse_notes = true),
        Publish("o1", "d1", 2),
        Publish("o2", "d2", 1),
        Settle,
        Org(|org| org.refuse_notes = false),
        Publish("o1", "d1", 3),
        Settle,
    ],
};

const NO_VERSIONS: Scenario = Scenario {
    name: "updates of notes that have no version to compare",
    before: &[
        Org(|org| org.compares_no_versions = true),
        Connect,
        Settle,
        Publish("o1", "d1", 1),
        Settle,
    ],
    crashed: &[
        Publish("o1", "d1", 2),
        Settle,
        Org(|org| org.timeline.clear()),
        Publish("o1", "d1", 3),
        Settle,
    ],
};

const SETTINGS: Scenario = Scenario {
    name: "a document that the org's settings keep out until they change",
    before: &[Org(|org| org.note_limits.html = Some(false)), Connect, Settle],
    crashed: &[
        Publish("o1", "d1", 1),
        Publish("o2", "d2", 1),
        Settle,
        Org(|org| org.note_limits.html = Some(true)),
        SyncNow,
        Settle,
    ],
};

const RECONNECT: Scenario = Scenario {
    name: "disconnect with purge, publications held, reconnect",
    before: &[Connect, Settle, Publish("o1", "d1", 1), Settle],
    crashed: &[
        Publish("o1", "d1", 2),
        Disconnect(MirrorFate::Purge),
        Settle,
        Connect,
        Settle,
        Disconnect(MirrorFate::Keep),
    ],
};

const SIGNED_OUT: Scenario = Scenario {
    name: "the sign-in dies in the middle of a sync, and the user signs in again",
    before: &[Connect, Settle],
    crashed: &[
        Org(|org| {
            day_later(org);
            org.fail = Some((Table::Opportunities, 1, Failure::SignedOut));
        }),
        SyncNow,
        Settle,
        Org(|org| org.fail = None),
        Connect,
        Settle,
    ],
};

const UNAVAILABLE: Scenario = Scenario {
    name: "a sync fails for an hour and goes on",
    before: &[Connect, Settle],
    crashed: &[
        Org(|org| {
            day_later(org);
            org.fail = Some((Table::Opportunities, 1, Failure::Unavailable));
        }),
        SyncNow,
        Settle,
        Org(|org| org.fail = None),
        SyncNow,
        Settle,
    ],
};

const OTHER_ORGANISATION: Scenario = Scenario {
    name: "another organisation answers at the address",
    before: &[Connect, Settle],
    crashed: &[Org(|org| org.organisation = "org-2".into()), SyncNow, Settle],
};

/// Tries every crash point of a scenario, each on a fresh world; gives what went wrong.
async fn sweep(scenario: &Scenario, world: impl Fn() -> World) -> Vec<String> {
    let (expected, writes) = scenario.undisturbed(&world()).await;
    let mut wrong = Vec::new();
    for number in 1..=writes {
        for point in [CrashPoint::Before(number), CrashPoint::After(number)] {
            let (name, ended) = (scenario.name, scenario.crashed(&world(), &[point]).await);
            let (ended, crashes) = match ended {
                Ok(ended) => ended,
                Err(error) => {
                    wrong.push(format!("{name}, {point}: {error}"));
                    continue;
                }
            };
            let difference = ended.compare(&expected);
            if let [crash] = crashes[..] {
                if !difference.is_empty() {
                    wrong.push(format!("{name}, {crash}:\n  {}", difference.join("\n  ")));
                }
            } else {
                wrong.push(format!("{name}, {point}: it did not crash there"));
            }
        }
    }
    wrong
}

async fn no_crash_matters(scenario: &Scenario) {
    let (_, writes) = scenario.undisturbed(&World::in_memory()).await;
    assert!(writes >= 5, "{}: only {writes} writes", scenario.name);
    let wrong = sweep(scenario, World::in_memory).await;
    println!("{}: {writes} writes", scenario.name);
    assert!(wrong.is_empty(), "{} of {} points:\n{}", wrong.len(), writes * 2, wrong.join("\n"));
}

#[tokio::test]
async fn r_23_connecting_and_the_first_sync_survive_every_crash() {
    no_crash_matters(&FIRST_SYNC).await;
}

#[tokio::test]
async fn r_23_dea_7_a_sync_with_changes_survives_every_crash() {
    no_crash_matters(&SECOND_SYNC).await;
}

#[tokio::test]
async fn r_23_doc_2_publishing_survives_every_crash() {
    no_crash_matters(&PUBLISH).await;
}

#[tokio::test]
async fn r_23_doc_7_a_deleted_note_survives_every_crash() {
    no_crash_matters(&NOTE_DELETED).await;
}

#[tokio::test]
async fn r_23_doc_7_a_replaced_file_survives_every_crash() {
    no_crash_matters(&FILE_REPLACED).await;
}

#[tokio::test]
async fn r_23_doc_6_a_refused_note_survives_every_crash() {
    no_crash_matters(&NOTE_REFUSED).await;
}

#[tokio::test]
async fn r_23_doc_2_notes_without_versions_survive_every_crash() {
    no_crash_matters(&NO_VERSIONS).await;
}

#[tokio::test]
async fn r_23_doc_6_settings_that_change_survive_every_crash() {
    no_crash_matters(&SETTINGS).await;
}

#[tokio::test]
async fn r_23_con_8_disconnecting_and_reconnecting_survive_every_crash() {
    no_crash_matters(&RECONNECT).await;
}

#[tokio::test]
async fn r_23_con_7_a_dead_sign_in_survives_every_crash() {
    no_crash_matters(&SIGNED_OUT).await;
}

#[tokio::test]
async fn r_23_syn_8_a_failing_sync_survives_every_crash() {
    no_crash_matters(&UNAVAILABLE).await;
}

#[tokio::test]
async fn r_23_r_19_another_organisation_survives_every_crash() {
    no_crash_matters(&OTHER_ORGANISATION).await;
}

/// what another user does not see proves nothing, also when that user's run is interrupted.
#[tokio::test]
async fn r_23_r_19_a_crash_in_another_users_run_calls_nothing_missing() {
    let scenario = Scenario {
        name: "another user reads",
        before: &[Connect, Settle],
        crashed: &[
            Org(|org| {
                day_later(org);
                org.user = "u-other".into();
            }),
            SyncNow,
            Settle,
        ],
    };
    let (_, writes) = scenario.undisturbed(&World::in_memory()).await;
    let mut single_runs = 0;
    for number in 1..=writes {
        for point in [CrashPoint::Before(number), CrashPoint::After(number)] {
            let world = World::in_memory();
            let (ended, _) = scenario.crashed(&world, &[point]).await.unwrap();
            // A crash after the run's end makes the pull due again; that one reads with eyes known.
            if ended.runs() > 2 {
                continue;
            }
            single_runs += 1;
            assert_eq!(ended.missing(), 0, "{point}");
        }
    }
    assert!(single_runs > writes, "{single_runs}");
}

/// Crashes again and again while what an earlier crash left behind is put right.
#[tokio::test]
async fn r_23_several_crashes_in_a_row_are_as_good_as_none() {
    let all =
        [FIRST_SYNC, SECOND_SYNC, PUBLISH, NOTE_DELETED, FILE_REPLACED, RECONNECT, SIGNED_OUT];
    for scenario in all {
        let (expected, writes) = scenario.undisturbed(&World::in_memory()).await;
        for seed in 0..60 {
            let chance = fluint_crm::Randomness::seeded(seed);
            let points: Vec<_> = (0..2 + seed % 4)
                .map(|_| {
                    let number = chance.uuid().as_u128() % u128::from(writes) + 1;
                    let number = u64::try_from(number).unwrap();
                    let before = chance.fraction() < 0.5;
                    if before { CrashPoint::Before(number) } else { CrashPoint::After(number) }
                })
                .collect();
            let ended = scenario.crashed(&World::in_memory(), &points).await;
            let (ended, crashes) = ended.unwrap_or_else(|error| {
                panic!("{}, seed {seed}: {error}", scenario.name);
            });
            let difference = ended.compare(&expected).join("\n  ");
            assert!(
                difference.is_empty(),
                "{}, seed {seed}, {crashes:?}:\n  {difference}",
                scenario.name
            );
        }
    }
}

/// Proof that the sweep can fail: a feed that forgets its keys doubles lines after a crash.
#[tokio::test]
async fn r_23_a_feed_that_forgets_its_keys_is_caught() {
    let forgetful = || {
        let world = World::in_memory();
        let mut kept = world.stores();
        kept.feed = Arc::new(ForgetfulFeed {
            inner: Arc::clone(&kept.feed),
            lines: std::sync::atomic::AtomicU64::new(0),
        });
        world.reopened_by(move |_| kept.clone())
    };
    let wrong = sweep(&SECOND_SYNC, forgetful).await;
    assert!(!wrong.is_empty(), "the sweep sees nothing");
    assert!(
        wrong.iter().any(|line| line.contains("+1 run with starts and ends (2, 1)")),
        "{wrong:?}"
    );
}

/// The same on a database file, opened anew after every crash.
#[tokio::test]
async fn r_23_syncs_and_publishing_survive_every_crash_on_a_database_file() {
    for scenario in [SECOND_SYNC, FILE_REPLACED] {
        let wrong = sweep(&scenario, || {
            let folder = tempfile::tempdir().unwrap();
            World::new(move |clock| {
                let path = folder.path().join("crm.db");
                Stores::all(Arc::new(SqliteStore::open(path, clock).unwrap()))
            })
        });
        let wrong = wrong.await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
