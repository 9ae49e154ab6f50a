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
    /// Each figure is one that the numbers choose.
    Written {
        name: Option<&'static str>,
        owner: Option<u8>,
        value: Option<i64>,
        other: u8,
    },
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
    let owner = proptest::option::of(0..4_u8);
    let written = (select(names), owner, proptest::option::of(-9..9_i64), 0..32_u8)
        .prop_map(|(name, owner, value, other)| Event::Written { name, owner, value, other });
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
        Event::Written { name, owner, value, other } => {
            let (columns, values) = match table {
                Table::Opportunities => (
                    "owner_kind, owner, value, status, stage, base_value, currency, close_date, \
                     closed_on",
                    "iif(?5 = 'u0', 'team', 'user'), ?5, ?6, iif(?7 & 1, 'won', 'open'), \
                     iif(?7 & 2, 's1', NULL), iif(?7 & 4, ?6, NULL), iif(?7 & 8, 'eur', NULL), \
                     iif(?7 & 16, '2026-03-01', NULL), iif(?7 & 16, NULL, '2026-04-02')",
                ),
                Table::Contacts => ("status, emails", "'active', '[]'"),
                _ => ("status", "'active'"),
            };
            let new = columns.split(", ").map(|name| format!("{name} = excluded.{name}"));
            let sql = format!(
                "INSERT INTO {table} (workspace, connection, id, version, name_key, {columns}) \
                 SELECT ?1, ?2, ?3, 1 + 0 * coalesce(length(?5), length(?6), ?7, 0), ?4, {values} \
                 WHERE true ON CONFLICT DO UPDATE SET name_key = excluded.name_key, \
                     gone_at = NULL, {}",
                new.collect::<Vec<_>>().join(", ")
            );
            let owner = owner.map(|owner| format!("u{owner}"));
            let value = value.map(|value| crate::store::sqlite::codec::sortable(value.into()));
            let values = params![workspace, [0_u8; 16], id.to_string(), name, owner, value, other];
            tx.execute(&sql, values).unwrap();
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
        "iif(owner_kind = 'user', owner, NULL), stage, currency, status, value, base_value, \
         close_date, closed_on"
    } else {
        "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
    };
    let sql = format!(
        "SELECT row, coalesce(name_key, ''), {figures} FROM {table} WHERE workspace = ? \
         AND gone_at IS NULL {} ORDER BY row",
        if is_opportunity { "" } else { "AND name_key IS NOT NULL" }
    );
    let mut statement = tx.prepare(&sql).unwrap();
    let rows = statement.query_map([workspace], |row| {
        let (number, name): (i64, String) = (row.get(0)?, row.get(1)?);
        let text = |at| row.get::<_, Option<String>>(at).unwrap();
        let units = |at| {
            let bytes: Option<Vec<u8>> = row.get(at).unwrap();
            bytes.and_then(|bytes| crate::store::sqlite::codec::from_sortable(&bytes))
        };
        let date = |at| text(at).and_then(|date| crate::model::json::parse_date(&date));
        let figures = is_opportunity.then(|| Figures {
            status: text(5).unwrap_or_default(),
            owner: text(2),
            stage: text(3),
            currency: text(4),
            value: units(6),
            base_value: units(7),
            close_date: date(8),
            closed_on: date(9),
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

/// Databases hold blocks: who changes how they are made has to have all rows packed anew.
#[test]
fn a_block_stays_the_same() {
    let mut block = Builder::new(true);
    block.push(
        3,
        "contoso",
        Some(Figures {
            status: "open",
            owner: Some("u1"),
            stage: None,
            currency: Some("eur"),
            value: Some(258),
            base_value: None,
            close_date: crate::model::json::parse_date("2026-03-01"),
            closed_on: None,
        }),
    );
    block.push(
        7,
        "",
        Some(Figures {
            status: "won",
            owner: None,
            stage: Some("s1"),
            currency: Some("eur"),
            value: None,
            base_value: Some(-1),
            close_date: None,
            closed_on: None,
        }),
    );
    assert_eq!(
        crate::model::hex(&block.finish().unwrap()),
        "02030708636f6e746f736f0a0407000000200810400000410002000000000800000000000000000000000000\
         0000000000000102046f70656e03776f6e020102010275310201000102733102000101036575720201012002\
         0100000000000000000000000000000000000000000000000000000000008020000000000000000000000000\
         00000080ffffffffffffffffffffffffffffffff08ad8d250000000080080000008000000080"
    );
}

/// However many connections take turns, each fills blocks of its own.
#[test]
fn oll_1_connections_that_take_turns_fill_their_blocks() {
    let mut database = open_memory().unwrap();
    let owner = |number: u128| {
        let connection = ConnectionId::new(uuid::Uuid::from_u128(number));
        Owner::new(&WorkspaceId::new("acme").unwrap(), connection)
    };
    for round in 0..300 {
        for number in 0..3 {
            let (owner, tx) = (owner(number), database.transaction().unwrap());
            let row = Numbers::default().take(&tx, &owner, Table::Accounts).unwrap();
            tx.execute(
                "INSERT INTO accounts (row, workspace, connection, id, version, name_key, status) \
                 VALUES (?, 'acme', ?, ?, 1, 'a', 'active')",
                params![row, owner.connection.as_uuid().as_bytes(), format!("{round}")],
            )
            .unwrap();
            refresh(&tx).unwrap();
            tx.commit().unwrap();
        }
    }
    let blocks: i64 =
        database.query_row("SELECT count(*) FROM packed", [], |row| row.get(0)).unwrap();
    assert_eq!(blocks, 3 * 3);
}
