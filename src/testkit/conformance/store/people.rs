//! Behaviours of [`Query`](crate::storage::Query): users and stages, and whom a name comes near.

use crate::model::query::{GroupBy, GroupsQuery, Scope, StageQuery, UserQuery};
use crate::model::{
    Account, Contact, EmailAddress, Opportunity, ProcessId, Record, Rows, Stage, Table, User,
};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    Site, account, assert_invalid, contact, opportunity, record, stage, user, workspace,
};
use crate::testkit::conformance::store::query::{all_pages, ids};

fn person(id: &str, name: &str, email: Option<&str>) -> User {
    let email = email.map(|email| EmailAddress::new(email).unwrap());
    User { name: Some(name.to_owned()), email, ..user(id) }
}

impl Site {
    async fn users(&self, ask: impl FnOnce(&mut UserQuery)) -> Vec<String> {
        let mut query = UserQuery::new(self.scope());
        ask(&mut query);
        ids(&self.stores.query.users(&query).await.unwrap())
    }

    async fn stages_found(&self, ask: impl FnOnce(&mut StageQuery)) -> Vec<String> {
        let mut query = StageQuery::new(self.scope());
        ask(&mut query);
        ids(&self.stores.query.stages(&query).await.unwrap())
    }
}

/// OLL-1: users are found by the words of their names, by id and by e-mail address.
pub async fn oll_1_users_are_found_by_name_id_and_address(store: &StoreUnderTest) {
    let rows = vec![
        person("u1", "Zoë Ångström", Some("zoe@contoso.com")),
        person("u2", "Ada Lovelace", Some("ADA@contoso.com")),
        person("u3", "Ada Byron", Some("ada@contoso.com")),
        person("u4", "# dynamics", None),
        User { name: None, ..user("u5") },
    ];
    let site = store.holding([User::batch(rows)]).await;
    assert_eq!(site.users(|_| {}).await, ["u3", "u2", "u4", "u1", "u5"], "by name, nameless last");
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(site.users(|query| query.name = named("ada")).await, ["u3", "u2"]);
    assert_eq!(site.users(|query| query.name = named("LOVE ada")).await, ["u2"]);
    assert_eq!(site.users(|query| query.name = named("angstrom")).await, ["u1"]);
    assert_eq!(site.users(|query| query.id = Some(user("u5").id)).await, ["u5"]);
    let of = |text: &str| Some(EmailAddress::new(text).unwrap());
    assert_eq!(site.users(|query| query.email = of("Ada@Contoso.com")).await, ["u3", "u2"]);
    assert_eq!(site.users(|query| query.email = of("contoso@contoso.com")).await, [""; 0]);
    let both =
        |query: &mut UserQuery| (query.email, query.name) = (of("ada@contoso.com"), named("b"));
    assert_eq!(site.users(both).await, ["u3"]);
}

/// OLL-1: stages are found by the words of their names, by id and by process.
pub async fn oll_1_stages_are_found_by_name_id_and_process(store: &StoreUnderTest) {
    let named =
        |id, process, name: &str| Stage { name: Some(name.to_owned()), ..stage(id, process) };
    let rows = vec![
        named("s1", "p1", "Qualify"),
        named("s2", "p1", "Propose"),
        named("s3", "p2", "qualify again"),
        Stage { process: None, ..named("s4", "p2", "Close") },
    ];
    let site = store.holding([Stage::batch(rows)]).await;
    assert_eq!(site.stages_found(|_| {}).await, ["s4", "s2", "s1", "s3"]);
    let words = |query: &mut StageQuery| query.name = Some("QUALI".to_owned());
    assert_eq!(site.stages_found(words).await, ["s1", "s3"]);
    let of = |id| Some(ProcessId::new(id).unwrap());
    assert_eq!(site.stages_found(|query| query.process = of("p1")).await, ["s2", "s1"]);
    assert_eq!(site.stages_found(|query| query.process = of("p9")).await, [""; 0]);
    assert_eq!(site.stages_found(|query| query.id = Some(stage("s3", "p").id)).await, ["s3"]);
}

/// OLL-1: the pages of users and stages put together are each row once; a cursor belongs to its
/// question.
pub async fn oll_1_pages_of_users_and_stages_follow_one_another(store: &StoreUnderTest) {
    let users = (0..5).map(|number| user(&format!("u{number}"))).collect();
    let stages = (0..5).map(|number| stage(&format!("s{number}"), "p1")).collect();
    let site = store.holding([User::batch(users), Stage::batch(stages)]).await;
    let pages = all_pages(async |cursor| {
        let mut query = UserQuery::new(site.scope());
        (query.page.limit, query.page.cursor) = (2, cursor);
        site.stores.query.users(&query).await
    });
    assert_eq!(pages.await, [vec!["u0", "u1"], vec!["u2", "u3"], vec!["u4"]]);
    let pages = all_pages(async |cursor| {
        let mut query = StageQuery::new(site.scope());
        (query.page.limit, query.page.cursor) = (3, cursor);
        site.stores.query.stages(&query).await
    });
    assert_eq!(pages.await, [vec!["s0", "s1", "s2"], vec!["s3", "s4"]]);
    let mut users = UserQuery::new(site.scope());
    users.page.limit = 2;
    let next = site.stores.query.users(&users).await.unwrap().next;
    let mut stages = StageQuery::new(site.scope());
    stages.page.cursor = next;
    assert_invalid(site.stores.query.stages(&stages).await);
    users.page.limit = 0;
    assert_invalid(site.stores.query.users(&users).await);
}

/// OLL-2: contacts, opportunities and users with names near to one come the nearest first.
pub async fn oll_2_the_nearest_of_every_table_with_names_come_first(store: &StoreUnderTest) {
    let names = ["Ada Lovelace", "Ada Lovelock", "Grace Hopper"];
    let users = names.iter().zip(["u1", "u2", "u3"]);
    let users = users.map(|(name, id)| person(id, name, None)).collect();
    let contacts = names.iter().zip(["c1", "c2", "c3"]).map(|(name, id)| contact(id, name));
    let found = names.iter().zip(["o1", "o2", "o3"]).map(|(name, id)| {
        let name = Some(format!("{name}, renewal"));
        Opportunity { name, ..opportunity(id) }
    });
    let tables = [
        User::batch(users),
        Contact::batch(contacts.collect()),
        Opportunity::batch(found.collect()),
    ];
    let site = store.holding(tables).await;
    let (query, scope) = (&store.stores.query, site.scope());
    let contacts = query.nearest_contacts(&scope, "Ada Lovelase", 10).await.unwrap();
    assert_eq!(ids(&contacts)[0], "c1");
    assert!(!ids(&contacts).contains(&"c3".to_owned()));
    assert_eq!(contacts.next, None);
    let users = query.nearest_users(&scope, "grace hoper", 10).await.unwrap();
    assert_eq!(ids(&users), ["u3"]);
    let found = query.nearest_opportunities(&scope, "Grace Hopper, renewl", 1).await.unwrap();
    assert_eq!(ids(&found), ["o3"]);
    for nothing in ["Northwind", "", " ", "%"] {
        assert_eq!(query.nearest_contacts(&scope, nothing, 9).await.unwrap().rows, []);
        assert_eq!(query.nearest_opportunities(&scope, nothing, 9).await.unwrap().rows, []);
        assert_eq!(query.nearest_users(&scope, nothing, 9).await.unwrap().rows, []);
    }
}

/// OLL-4: no question about people, stages or names sees a row of another scope, whatever ids and
/// names they share.
pub async fn oll_4_people_stages_and_names_stay_in_their_scope(store: &StoreUnderTest) {
    let mut sites = Vec::new();
    for (name, number) in [("acme", 1), ("acme", 2), ("other", 1)] {
        let site = store.connect(name, number).await;
        let claim = site.claim().await;
        let mark = format!("Same Name {name}{number}");
        let tables: [Rows; 5] = [
            User::batch(vec![person("u1", &mark, Some("ada@contoso.com"))]),
            Stage::batch(vec![Stage { name: Some(mark.clone()), ..stage("s1", "p1") }]),
            Account::batch(vec![account("a1", &mark)]),
            Contact::batch(vec![contact("c1", &mark)]),
            Opportunity::batch(vec![Opportunity { name: Some(mark.clone()), ..opportunity("o1") }]),
        ];
        site.pull(&claim, 1, tables).await;
        sites.push((site, mark));
    }
    let query = &store.stores.query;
    for (site, mark) in &sites {
        let scope = site.scope();
        let mut users = UserQuery::new(scope.clone());
        (users.id, users.email) = (Some(user("u1").id), EmailAddress::new("ada@contoso.com").ok());
        let mut stages = StageQuery::new(scope.clone());
        stages.id = Some(stage("s1", "p1").id);
        let mut names = Vec::new();
        names.extend(query.users(&users).await.unwrap().rows.into_iter().map(|one| one.row.name));
        names.extend(query.stages(&stages).await.unwrap().rows.into_iter().map(|one| one.row.name));
        let near = "same name";
        let found = query.nearest_users(&scope, near, 9).await.unwrap();
        names.extend(found.rows.into_iter().map(|one| one.row.name));
        let found = query.nearest_accounts(&scope, near, 9).await.unwrap();
        names.extend(found.rows.into_iter().map(|one| one.row.name));
        let found = query.nearest_contacts(&scope, near, 9).await.unwrap();
        names.extend(found.rows.into_iter().map(|one| one.row.name));
        let found = query.nearest_opportunities(&scope, near, 9).await.unwrap();
        names.extend(found.rows.into_iter().map(|one| one.row.name));
        assert_eq!(names, vec![Some(mark.clone()); 6]);
        let groups = query.groups(&GroupsQuery::new(scope.clone(), GroupBy::Owner)).await.unwrap();
        let counts: Vec<u64> = groups.groups.iter().map(|(_, totals)| totals.count).collect();
        assert_eq!(counts, [1]);
        let (workspace, id) = (&site.workspace, [record("o1")]);
        let found =
            query.rows(workspace, site.connection, Table::Opportunities, &id).await.unwrap();
        let Rows::Opportunities(found) = found else { panic!("of another table") };
        assert_eq!(found[0].name.as_ref(), Some(mark));
    }
    let stranger = Scope::connection(workspace("other"), sites[1].0.connection);
    assert_eq!(query.users(&UserQuery::new(stranger.clone())).await.unwrap().rows, []);
    let groups = GroupsQuery::new(stranger.clone(), GroupBy::Stage);
    assert_eq!(query.groups(&groups).await.unwrap().groups, []);
    let (theirs, ours, id) = (workspace("other"), sites[1].0.connection, [record("o1")]);
    assert!(query.rows(&theirs, ours, Table::Opportunities, &id).await.unwrap().is_empty());
    assert_eq!(query.nearest_users(&stranger, "same name", 9).await.unwrap().rows, []);
    let both = Scope::workspace(workspace("acme"));
    assert_eq!(query.users(&UserQuery::new(both.clone())).await.unwrap().rows.len(), 2);
    assert_eq!(query.nearest_contacts(&both, "same name", 9).await.unwrap().rows.len(), 2);
}
