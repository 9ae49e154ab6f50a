//! What is packed is what the rows say, whatever was done to them.

use memchr::memmem::Finder;
use proptest::prelude::*;
use proptest::sample::select;
use rusqlite::{Connection, params};

use super::*;
use crate::store::sqlite::schema::open_memory;

/// Something that happens to a row of a table.
#[derive(Clone, Debug)]
enum Event {
    Written { name: Option<&'static str>, owner: Option<u8>, value: Option<i64> },
    Gone,
    Back,
    Deleted,
}

#[derive(Clone, Debug)]
struct Step {
    table: Table,
    workspace: &'static str,
    id: u16,
    event: Event,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let names = vec![None, Some("alpha"), Some("beta gamma"), Some(""), Some("東京")];
    let written = (select(names), proptest::option::of(0..4_u8), proptest::option::of(-9..9_i64))
        .prop_map(|(name, owner, value)| Event::Written { name, owner, value });
    let event = prop_oneof![
        6 => written,
        2 => Just(Event::Gone),
        1 => Just(Event::Back),
        2 => Just(Event::Deleted),
    ];
    let step = (select(PACKED.to_vec()), select(vec!["acme", "birch"]), 0..200_u16, event);
    let step = step.prop_map(|(table, workspace, id, event)| Step { table, workspace, id, event });
    proptest::collection::vec(step, 0..300)
}

fn run(tx: &Transaction<'_>, step: &Step) {
    let Step { table, workspace, id, event } = step;
    let key = params![workspace, [0_u8; 16], id.to_string()];
    let here = "workspace = ?1 AND connection = ?2 AND id = ?3";
    match event {
        Event::Written { name, owner, value } => {
            let owner = owner.map(|owner| format!("u{owner}"));
            let value = value.map(|value| crate::store::sqlite::codec::sortable(value.into()));
            let (others, excluded, values) = match table {
                Table::Opportunities => (
                    ", owner_kind, owner, stage, value, close_date",
                    ", owner_kind = excluded.owner_kind, owner = excluded.owner, \
                     stage = excluded.stage, value = excluded.value, \
                     close_date = excluded.close_date",
                    ", iif(?5 = 'u0', 'team', 'user'), ?5, ?5, ?6, iif(?5 = 'u1', '2026-03-01', NULL)",
                ),
                Table::Contacts => (", emails", "", ", '[]'"),
                _ => ("", "", ""),
            };
            let sql = format!(
                "INSERT INTO {table} (workspace, connection, id, version, name_key, status{others}) \
                 VALUES (?1, ?2, ?3, 1, ?4, 'open'{values}) \
                 ON CONFLICT DO UPDATE SET name_key = excluded.name_key, gone_at = NULL{excluded}"
            );
            let connection = [0_u8; 16];
            let mut statement = tx.prepare(&sql).unwrap();
            match table {
                Table::Opportunities => statement.execute(params![
                    workspace,
                    connection,
                    id.to_string(),
                    name,
                    owner,
                    value
                ]),
                _ => statement.execute(params![workspace, connection, id.to_string(), name]),
            }
            .unwrap();
        }
        Event::Gone => {
            tx.execute(&format!("UPDATE {table} SET gone_at = 1 WHERE {here}"), key).unwrap();
        }
        Event::Back => {
            tx.execute(&format!("UPDATE {table} SET gone_at = NULL WHERE {here}"), key).unwrap();
        }
        Event::Deleted => {
            tx.execute(&format!("DELETE FROM {table} WHERE {here}"), key).unwrap();
        }
    }
}

/// Every packed row as text.
fn packed(tx: &Transaction<'_>, table: Table, workspace: &str) -> Vec<String> {
    let workspace = WorkspaceId::new(workspace).unwrap();
    let mut found = Vec::new();
    each(tx, (&workspace, ConnectionId::new(uuid::Uuid::nil())), table, |first, block| {
        found.extend(block.lines().map(|(slot, name, figures)| {
            format!("{} {name:?} {figures:?}", first + i64::from(slot))
        }));
        Ok(())
    })
    .unwrap();
    found
}

/// The same from the rows themselves.
fn read(tx: &Transaction<'_>, table: Table, workspace: &str) -> Vec<String> {
    let is_opportunity = table == Table::Opportunities;
    let figures = if is_opportunity {
        "iif(owner_kind = 'user', owner, NULL), stage, value, close_date"
    } else {
        "NULL, NULL, NULL, NULL"
    };
    let sql = format!(
        "SELECT row, coalesce(name_key, ''), {figures} FROM {table} WHERE workspace = ? \
         AND gone_at IS NULL {} ORDER BY row",
        if is_opportunity { "" } else { "AND name_key IS NOT NULL" }
    );
    let mut statement = tx.prepare(&sql).unwrap();
    let rows = statement.query_map([workspace], |row| {
        let (number, name): (i64, String) = (row.get(0)?, row.get(1)?);
        let (owner, stage): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
        let value: Option<Vec<u8>> = row.get(4)?;
        let close_date: Option<String> = row.get(5)?;
        let figures = is_opportunity.then(|| Figures {
            status: "open",
            owner: owner.as_deref(),
            stage: stage.as_deref(),
            currency: None,
            value: value.and_then(|bytes| crate::store::sqlite::codec::from_sortable(&bytes)),
            base_value: None,
            close_date: close_date.and_then(|date| crate::model::json::parse_date(&date)),
            closed_on: None,
        });
        Ok(format!("{number} {name:?} {figures:?}"))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn oll_1_blocks_say_what_the_rows_say(steps in proptest::collection::vec(steps(), 1..5)) {
        let mut database = open_memory().unwrap();
        for steps in steps {
            let tx = database.transaction().unwrap();
            steps.iter().for_each(|step| run(&tx, step));
            refresh(&tx).unwrap();
            for table in PACKED {
                // A row number that another workspace used before is told to neither wrongly (OLL-4).
                for workspace in ["acme", "birch"] {
                    prop_assert_eq!(packed(&tx, table, workspace), read(&tx, table, workspace));
                }
            }
            tx.commit().unwrap();
            prop_assert!(is_clean(&database));
        }
    }

    #[test]
    fn oll_1_a_name_is_found_on_its_line(
        names in proptest::collection::vec("[ab ]{0,5}", 1..20),
        text in "[ab]{1,3}",
    ) {
        let mut block = Builder::new(false);
        for (slot, name) in (0..).zip(&names) {
            block.push(slot * 2, name, None);
        }
        let bytes = block.finish().unwrap();
        let block = Block::read(&bytes).unwrap();
        let finder = Finder::new(&text);
        let found: Vec<_> = block.names_with(&finder).collect();
        let lines = (0..).map(|line| line * 2).zip(names.iter().map(String::as_str));
        let expected: Vec<_> = lines.filter(|(_, name)| name.contains(&text)).collect();
        prop_assert_eq!(found, expected);
    }
}

fn is_clean(database: &Connection) -> bool {
    database.query_row("SELECT count(*) = 0 FROM unpacked", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_block_that_is_damaged_is_an_error() {
    for bytes in [&[][..], &[200, 1], &[1, 0, 1, b'a', 9]] {
        assert!(Block::read(bytes).is_err(), "{bytes:?}");
    }
}
