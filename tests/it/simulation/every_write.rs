//! A crash before and after every durable write of a pull that reconciles.
//!
//! In the org: opportunities won, lost and deleted; a contact deleted and one hidden, which keeps
//! both; more accounts deleted than may be; rows changed and new. A crash at any write must leave
//! no trace once somebody has gone on from there.

use std::collections::BTreeMap;
use std::sync::Arc;

use fluint_crm::Clock as _;
use fluint_crm::model::query::Scope;
use fluint_crm::model::{
    ChangeSeq, FeedEvent, OpportunityStatus, OwnerRef, RecordId, RowVersion, Table,
};
use fluint_crm::storage::Stores;
use fluint_crm::testkit::CrashPoint;
use time::Duration;

use crate::simulation::book::Dice;
use crate::simulation::oracle::nothing_false;
use crate::simulation::process::Process;
use crate::simulation::stage::{Stage, wait_for, work};
use crate::simulation::user::{sign_in, the_connection};
use crate::simulation::world::{Setting, Storage, World};
use crate::support::workspace;

/// A world that has been synced, with the day's changes in its org, and the sync due.
async fn morning(setting: Setting) -> Arc<World> {
    let world = World::new(setting);
    let crm = world.start(&Process::new(&world, "morning".to_owned()));
    sign_in(&world, &crm, "admin").await.unwrap();
    let mut stage = Stage::new(&world);
    stage.enter(work);
    let since = world.clock.now();
    while world.book.runs_since(since) == 0 {
        assert!(stage.step(), "the first sync never ends");
    }
    drop(stage);
    world.clock.set(world.clock.now() + Duration::minutes(5));
    change(&world);
    crm.sync_now(&workspace(), the_connection(&crm).await.unwrap().id).await.unwrap();
    world
}

fn change(world: &World) {
    // Dice of its own: where a crash is planned must not change what the day brings.
    let dice = Dice::new(7);
    let mut org = world.org.lock().unwrap();
    let ids: Vec<RecordId> = org.opportunities.keys().cloned().collect();
    let ids: Vec<RecordId> = ids
        .into_iter()
        .filter(|id| matches!(&org.opportunities[id].row.owner, Some(OwnerRef::User(user)) if user.as_str() == "u-ada"))
        .collect();
    for (id, status) in ids.iter().zip([OpportunityStatus::Won, OpportunityStatus::Lost]) {
        let row = &mut org.opportunities.get_mut(id).unwrap().row;
        (row.status, row.version) = (status, RowVersion::new(-1));
    }
    for id in &ids[2..5] {
        org.opportunities.remove(id);
        org.assignments.retain(|_, kept| RecordId::from(kept.row.opportunity.clone()) != *id);
    }
    let contacts: Vec<RecordId> = org.contacts.keys().cloned().collect();
    org.contacts.remove(&contacts[0]);
    org.contacts.get_mut(&contacts[1]).unwrap().hidden = true;
    let accounts: Vec<RecordId> = org.accounts.keys().take(11).cloned().collect();
    for id in &accounts {
        org.accounts.remove(id);
    }
    for _ in 0..4 {
        org.change(&dice);
        org.add_opportunity(&dice, world.clock.now());
    }
}

/// Lets one worker finish the sync, crashing at that point; gives where it ends, and its writes.
async fn day(setting: Setting, point: Option<CrashPoint>) -> (Vec<String>, u64) {
    let world = morning(setting).await;
    let since = world.clock.now();
    let mut stage = Stage::new(&world);
    let process = stage.enter(work);
    if let Some(point) = point {
        process.die_at(point);
    }
    for _ in 0..MOST {
        if world.book.runs_since(since) > 0 {
            break;
        }
        stage.step();
    }
    assert!(world.book.runs_since(since) > 0, "{point:?}: it never ends\n{}", world.book.tail(40));
    assert_eq!(process.is_dead(), point.is_some(), "{point:?}");
    nothing_false(&world).await;
    assert!(world.book.faults().is_empty(), "{point:?}: {:?}", world.book.faults());
    (snapshot(&world.stores()).await, process.writes())
}

const MOST: usize = 20_000;

/// Everything that must end the same, without times and ids of runs.
async fn snapshot(stores: &Stores) -> Vec<String> {
    let connection = stores.connections.connections(&workspace()).await.unwrap().remove(0);
    let id = connection.id;
    let mut lines = vec![format!("{:?} {}", connection.health, connection.failures)];
    for table in Table::ALL {
        let rows = stores.query.scan(&workspace(), id, table, None, 1_000).await.unwrap();
        lines.push(format!("{rows:?}"));
        let missing = stores.mirror.missing(&workspace(), id, table, None, 1_000).await.unwrap();
        lines.extend(missing.into_iter().map(|row| format!("missing {table} {}", row.id)));
    }
    for deal in stores.deals.list(&Scope::connection(workspace(), id), None, 1_000).await.unwrap() {
        lines.push(format!("deal {} {:?} {:?}", deal.revision, deal.state, deal.details));
    }
    for one in stores.deals.skipped(&workspace(), id, None, 1_000).await.unwrap() {
        lines.push(format!("skipped {} {:?}", one.opportunity, one.reason));
    }
    let all = ChangeSeq::default();
    for change in stores.deals.changes(&workspace(), id, all, 1_000).await.unwrap() {
        lines.push(format!("change {} {}", change.seq.as_u64(), change.opportunity));
    }
    for sweep in stores.mirror.sweeps(&workspace(), id).await.unwrap() {
        lines.push(format!("sweep {} {} {:?}", sweep.table, sweep.missing, sweep.withheld));
    }
    for entry in stores.feed.entries(&workspace(), id, None, 1_000).await.unwrap() {
        match entry.event {
            // After a crash between a run's end and giving its claim back, the pull is due again.
            FeedEvent::SyncStarted { .. } | FeedEvent::SyncFinished { .. } => {}
            FeedEvent::RowsGone { table, rows, .. } => {
                lines.push(format!("{rows} of {table} gone"));
            }
            FeedEvent::SweepWithheld { table, missing, reason, .. } => {
                lines.push(format!("{missing} of {table} kept: {reason}"));
            }
            event => lines.push(format!("{event:?}")),
        }
    }
    lines
}

/// The lines that are not in both, with how often more they are in the first.
fn difference(ended: &[String], expected: &[String]) -> Vec<String> {
    let mut balance: BTreeMap<&str, i32> = BTreeMap::new();
    ended.iter().for_each(|line| *balance.entry(line).or_default() += 1);
    expected.iter().for_each(|line| *balance.entry(line).or_default() -= 1);
    balance.retain(|_, count| *count != 0);
    balance.into_iter().map(|(line, count)| format!("{count:+} {line}")).collect()
}

async fn no_crash_matters(setting: Setting) {
    let (expected, writes) = day(setting, None).await;
    for what in
        ["Deleted", "kept", "sweep accounts", "sweep contacts", "Ended(Won)", "Ended(Deleted)"]
    {
        assert!(
            expected.iter().any(|line| line.contains(what)),
            "nothing is {what}: {expected:#?}"
        );
    }
    let mut wrong = Vec::new();
    for number in 1..=writes {
        for point in [CrashPoint::Before(number), CrashPoint::After(number)] {
            let (ended, _) = day(setting, Some(point)).await;
            let difference = difference(&ended, &expected);
            if !difference.is_empty() {
                wrong.push(format!("{point}:\n  {}", difference.join("\n  ")));
            }
        }
    }
    println!("{writes} writes");
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), writes * 2, wrong.join("\n"));
}

#[test]
fn r_23_syn_7_a_pull_that_reconciles_survives_every_crash() {
    wait_for(no_crash_matters(Setting::in_memory(SEED)));
}

#[test]
fn r_23_syn_7_a_pull_that_reconciles_survives_every_crash_on_sqlite() {
    wait_for(no_crash_matters(Setting { storage: Storage::Sqlite, ..Setting::in_memory(SEED) }));
}

/// One with enough opportunities for all that is to happen to them, and everybody a member.
const SEED: u64 = 3;
