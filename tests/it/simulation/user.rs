//! What people do meanwhile: sign in, ask for syncs, set filters, publish, approve.

use std::sync::Arc;

use fluint_crm::connector::Callback;
use fluint_crm::documents::PublishTarget;
use fluint_crm::model::{Connection, DealState, Document, DocumentId, StageFilter, StageId};
use fluint_crm::{Clock as _, ConnectRequest, Crm, Error, Result};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use time::{Duration, OffsetDateTime};

use crate::simulation::crm::KIND;
use crate::simulation::org::SELLERS;
use crate::simulation::world::World;
use crate::support::{ada, member, workspace};

/// The connection, once there is one.
pub(crate) async fn the_connection(crm: &Crm) -> Result<Connection> {
    crm.connections(&workspace()).await?.pop().ok_or_else(|| Error::not_found("the connection"))
}

/// Somebody signs in as that user of the CRM.
pub(crate) async fn sign_in(world: &World, crm: &Crm, user: &str) -> Result<Connection> {
    user.clone_into(&mut world.signed_in.lock().unwrap());
    let request = ConnectRequest::new(workspace(), ada(), KIND, "living.example");
    let started = crm.begin_connect(request).await?;
    let state = started.url.query_pairs().next().unwrap().1.into_owned();
    let callback = Callback::new([("state", state), ("code", user.to_owned())]);
    crm.finish_connect(&workspace(), &ada(), &callback).await
}

/// People at their work, as long as it is rough.
pub(crate) fn people(world: Arc<World>, crm: Arc<Crm>) -> LocalBoxFuture<'static, ()> {
    async move {
        loop {
            if let Err(error) = something(&world, &crm).await {
                world.book.note(world.clock.now(), "user", error.to_string());
            }
            let until = world.clock.now() + world.dice.seconds(10, 700);
            world.clock.sleep_until(until).await;
        }
    }
    .boxed_local()
}

async fn something(world: &World, crm: &Crm) -> Result<()> {
    let known = the_connection(crm).await;
    let Ok(connection) = known else { return sign_in(world, crm, "admin").await.map(drop) };
    if !connection.health.is_working() {
        world.book.count("people signed in again");
        return sign_in(world, crm, "admin").await.map(drop);
    }
    let drawn = world.dice.below(100);
    world.book.note(world.clock.now(), "user", drawn);
    match drawn {
        0..50 => crm.sync_now(&workspace(), connection.id).await,
        50..60 => {
            let stages = (0..5).filter(|_| world.dice.happens(0.7));
            let stages = stages.map(|number| StageId::new(format!("s{number}")).unwrap());
            let filter = StageFilter::new(stages);
            crm.set_stage_filter(&workspace(), connection.id, filter).await.map(drop)
        }
        60..80 => publish(world, crm, &connection).await,
        80..84 => {
            world.book.count("people signed in again");
            let user = if world.dice.happens(0.3) { "clerk" } else { "admin" };
            sign_in(world, crm, user).await.map(drop)
        }
        84..90 => approve(crm, &connection).await,
        _ => {
            let mut people = world.people.lock().unwrap();
            if let Some(name) = SELLERS.get(people.len()) {
                people.push(member(name, &format!("{name}@contoso.com")));
            }
            Ok(())
        }
    }
}

async fn publish(world: &World, crm: &Crm, connection: &Connection) -> Result<()> {
    let deals = crm.deals(&workspace(), connection.id, None, 500).await?;
    let live: Vec<_> = deals.into_iter().filter(|deal| deal.state == DealState::Live).collect();
    // Few deals, so that they get several revisions.
    let Some(deal) = world.dice.pick(&live[..live.len().min(4)]) else { return Ok(()) };
    let revision = u64::try_from(world.clock.now().unix_timestamp()).unwrap();
    let document = Document::new(
        DocumentId::new("d1")?,
        "Plan".into(),
        format!("<p>Revision {revision}</p>"),
        revision,
        OffsetDateTime::UNIX_EPOCH,
    );
    world.book.count("publications");
    crm.publish(&workspace(), PublishTarget::Deal(deal.id), document).await.map(drop)
}

/// Approves whatever was withheld for its size.
async fn approve(crm: &Crm, connection: &Connection) -> Result<()> {
    for sweep in crm.sweeps(&workspace(), connection.id).await? {
        if sweep.withheld.is_some_and(|reason| reason.is_approvable()) {
            crm.approve_sweep(&workspace(), connection.id, sweep.run, sweep.table).await?;
        }
    }
    Ok(())
}

/// After the noise: the usual user, and quiet syncs until nothing is left to find out.
pub(crate) fn afterwards(world: Arc<World>, crm: Arc<Crm>) -> LocalBoxFuture<'static, ()> {
    async move {
        let usual = the_connection(&crm).await.is_ok_and(|connection| {
            connection.health.is_working() && connection.identity.user.as_str() == "admin"
        });
        if !usual || *world.signed_in.lock().unwrap() != "admin" {
            sign_in(&world, &crm, "admin").await.unwrap();
            // Its first sync proves nothing: it sees with other eyes than the one before.
            quiet_sync(&world, &crm).await;
        }
        quiet_sync(&world, &crm).await;
        let connection = the_connection(&crm).await.unwrap();
        approve(&crm, &connection).await.unwrap();
        quiet_sync(&world, &crm).await;
        // Notes under way have a drain ahead of them, or the longest wait between two tries: an hour.
        let until = world.clock.now() + Duration::minutes(75);
        world.clock.sleep_until(until).await;
    }
    .boxed_local()
}

/// A sync from its beginning to its end.
async fn quiet_sync(world: &World, crm: &Crm) {
    let since = world.clock.now();
    let connection = the_connection(crm).await.unwrap();
    crm.sync_now(&workspace(), connection.id).await.unwrap();
    for turn in 0..600 {
        let until = world.clock.now() + Duration::seconds(20);
        world.clock.sleep_until(until).await;
        if world.book.runs_since(since) > 0 {
            world.book.note(world.clock.now(), "user", "a quiet sync ended");
            return;
        }
        if turn % 15 == 14 {
            if !the_connection(crm).await.unwrap().health.is_working() {
                // A sign-in that died before the calm, and was noticed in it.
                sign_in(world, crm, "admin").await.unwrap();
            }
            crm.sync_now(&workspace(), connection.id).await.unwrap();
        }
    }
    world.book.wrong("no quiet sync ever ends".to_owned());
}
