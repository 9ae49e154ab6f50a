//! Arguments of tools: their schemas, and errors that a model can act on.

use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::assistant::words::given;
use crate::error::{Error, Result};
use crate::model::ConnectionId;

/// The longest text that an argument may be, in bytes: no name is longer.
const MAX_TEXT: usize = 1_000;

/// The longest cursor: one of ours holds a folded name, in two digits a byte.
const MAX_CURSOR: usize = 10_000;

/// The arguments of one tool.
pub(crate) trait ToolArguments: DeserializeOwned + JsonSchema {
    /// The tool's name.
    const NAME: &'static str;

    /// What the tool answers and when to use it.
    const DESCRIPTION: &'static str;

    /// Good arguments, each of them given; shown when a call's are not.
    fn example() -> Value;

    /// The one connection that is asked, as it was given; without one all are.
    fn connection(&self) -> Option<&str>;
}

/// The JSON Schema of a tool's arguments, with an example.
pub(crate) fn schema<A: ToolArguments>() -> Value {
    let mut schema = SchemaGenerator::default().into_root_schema_for::<A>();
    // The name of our struct means nothing to a model.
    schema.remove("title");
    schema.insert("examples".to_owned(), Value::Array(vec![A::example()]));
    schema.to_value()
}

/// Reads a call's arguments.
///
/// # Errors
/// [`Error::InvalidInput`] naming the argument at fault, with a good value for it.
pub(crate) fn read<A: ToolArguments>(arguments: Value) -> Result<A> {
    let arguments = match arguments {
        Value::Null => Map::new(),
        Value::Object(map) => map,
        _ => {
            let reason = format!("they must be an object, such as {}", A::example());
            return Err(Error::invalid_input("the list of arguments", reason));
        }
    };
    for (name, value) in &arguments {
        let most = if name == "cursor" { MAX_CURSOR } else { MAX_TEXT };
        if value.as_str().is_some_and(|text| text.len() > most) {
            return Err(refuse(name, &format!("it is too long; at most {most} bytes are taken")));
        }
    }
    serde_json::from_value(Value::Object(arguments.clone()))
        .map_err(|error| blame::<A>(&arguments, &error))
}

/// Finds the argument at fault: the one that spoils the example when it is put there.
fn blame<A: ToolArguments>(arguments: &Map<String, Value>, error: &serde_json::Error) -> Error {
    let Value::Object(example) = A::example() else {
        return Error::invalid_input("the list of arguments", error.to_string());
    };
    for (name, value) in arguments {
        let Some(good) = example.get(name) else {
            let known = example.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return refuse(name, &format!("there is no such argument; there are {known}"));
        };
        let mut spoilt = example.clone();
        spoilt.insert(name.clone(), value.clone());
        if let Err(error) = serde_json::from_value::<A>(Value::Object(spoilt)) {
            return refuse(name, &format!("{error}; a good value is {good}"));
        }
    }
    let missing = example.keys().find(|name| {
        let mut without = example.clone();
        without.remove(*name);
        !arguments.contains_key(*name)
            && serde_json::from_value::<A>(Value::Object(without)).is_err()
    });
    match missing {
        Some(name) => refuse(name, &format!("it is missing; a good value is {}", example[name])),
        None => Error::invalid_input("the list of arguments", error.to_string()),
    }
}

/// What a store refused of a question whose other parts were looked at before: the cursor.
pub(crate) fn of_the_cursor(error: Error) -> Error {
    match error {
        Error::InvalidInput { .. } => refuse(
            "cursor",
            "it does not belong to this question; a good value is the next of the previous answer \
             to the same question, or \"\" to start from the beginning",
        ),
        other => other,
    }
}

/// An argument that must be the id of a connection; `None` when it was left out.
///
/// # Errors
/// [`Error::InvalidInput`] for what is none.
pub(crate) fn connection_id(argument: &str, text: Option<&str>) -> Result<Option<ConnectionId>> {
    let Some(text) = given(text) else { return Ok(None) };
    let uuid = text.parse().map_err(|_| {
        let good = "7d2f0e64-0f5e-5c0e-9a55-0d5a3f1c9b10";
        refuse(argument, &format!("it must be the id of a connection; a good value is \"{good}\""))
    })?;
    Ok(Some(ConnectionId::new(uuid)))
}

/// An argument that cannot be used, with the reason.
pub(crate) fn refuse(name: &str, reason: &str) -> Error {
    let mut name = name.to_owned();
    name.truncate(name.floor_char_boundary(60));
    Error::invalid_input(format!("the argument {name}"), reason.to_owned())
}
