//! Functions, the service document and table definitions.

use serde_json::{Value, json as object};
use uuid::Uuid;

use crate::testkit::dataverse::call::Call;
use crate::testkit::dataverse::org::{Listing, Org};
use crate::testkit::dataverse::refusal::{Answer, Refusal, json};
use crate::testkit::dataverse::schema::Definition;

/// Answers a function that reads nothing of a row.
pub(crate) fn call(org: &Org, name: &str, arguments: &str, call: &Call<'_>, user: Uuid) -> Answer {
    let context =
        |of: &str| format!("{}/api/data/v9.2/$metadata#Microsoft.Dynamics.CRM.{of}", call.origin());
    let body = match name {
        "WhoAmI" => object!({
            "@odata.context": context("WhoAmIResponse"),
            "BusinessUnitId": org.unit_of(user),
            "UserId": user,
            "OrganizationId": org.organization,
        }),
        "RetrieveVersion" => object!({
            "@odata.context": context("RetrieveVersionResponse"),
            "Version": "9.2.24021.188",
        }),
        "RetrieveCurrentOrganization" => object!({
            "@odata.context": context("RetrieveCurrentOrganizationResponse"),
            "Detail": {
                "OrganizationId": org.organization,
                "FriendlyName": "Contoso",
                "TenantId": org.tenant,
                "State": "Enabled",
            },
        }),
        "RetrieveTotalRecordCount" => counts(org, arguments, call, &context)?,
        _ => return Err(Refusal::unmocked(name)),
    };
    Ok(json(200, body.to_string()))
}

/// Counts whole tables, whatever the user may read; an unknown name fails the call.
fn counts(
    org: &Org,
    arguments: &str,
    call: &Call<'_>,
    context: &dyn Fn(&str) -> String,
) -> Answer<Value> {
    let names = list_of(call, arguments, "EntityNames")?;
    let mut values = Vec::new();
    for name in &names {
        let table = org.table_named(name);
        let table = table.ok_or_else(|| Refusal::invalid(format!("no table is called {name}")))?;
        values.push(table.len());
    }
    Ok(object!({
        "@odata.context": context("RetrieveTotalRecordCountResponse"),
        "EntityRecordCountCollection": {
            "Count": names.len(), "IsReadOnly": false, "Keys": names, "Values": values,
        },
    }))
}

/// The privileges of a user: all but those withheld. `RetrieveUserPrivileges` lists them, the other
/// function gives those that are asked for by name; a name that is not known is merely not held.
pub(crate) fn privileges(org: &Org, user: Uuid, call: &Call<'_>, function: &str) -> Answer {
    if org.privileges == Listing::Refused {
        return Err(Refusal::privilege(user, "prvReadPrivilege", "privilege"));
    }
    let known = org.tables.iter().flat_map(|table| {
        let schema = &table.definition.schema_name;
        ACTIONS.map(|action| format!("prv{action}{schema}"))
    });
    let asked = match function.strip_prefix("RetrieveUserSetOfPrivilegesByNames") {
        Some(arguments) => {
            Some(list_of(call, arguments.trim_matches(['(', ')']), "PrivilegeNames")?)
        }
        None => None,
    };
    let is_asked = |name: &String| asked.as_ref().is_none_or(|asked| asked.contains(name));
    let held = known.filter(|name| !org.missing_privileges.contains(name) && is_asked(name));
    let listed = held.map(|name| {
        let mut entry = object!({
            "Depth": format!("{:?}", org.depth(&name)),
            "PrivilegeId": Uuid::new_v5(&org.organization, name.as_bytes()),
            "BusinessUnitId": org.unit_of(user),
        });
        if org.privileges == Listing::Named {
            entry["PrivilegeName"] = name.into();
        }
        entry
    });
    let listed: Vec<Value> = listed.collect();
    Ok(json(200, object!({ "RolePrivileges": listed }).to_string()))
}

/// What privileges there are for each table.
const ACTIONS: [&str; 5] = ["Create", "Read", "Write", "Append", "AppendTo"];

/// The names that an argument lists, by an alias or as it stands.
fn list_of(call: &Call<'_>, arguments: &str, name: &str) -> Answer<Vec<String>> {
    let value = arguments.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
    let value = value.unwrap_or_default();
    let aliases = call.aliases();
    let list = aliases.get(value).map_or(value, String::as_str);
    serde_json::from_str(list).map_err(|_| Refusal::invalid(format!("{name} is no list of names")))
}

/// The list of entity sets.
pub(crate) fn service_document(org: &Org, call: &Call<'_>) -> Answer {
    let entry = |definition: &Definition| {
        let set = &definition.set_name;
        object!({"name": set, "kind": "EntitySet", "url": set})
    };
    let sets: Vec<Value> = org.tables.iter().map(|table| entry(&table.definition)).collect();
    let context = format!("{}/api/data/v9.2/$metadata", call.origin());
    Ok(json(200, object!({"@odata.context": context, "value": sets}).to_string()))
}

/// The definition of one table.
pub(crate) fn definition(org: &Org, name: &str, call: &Call<'_>) -> Answer {
    let table = org.table_named(name).ok_or_else(|| {
        let message = format!("Could not find an entity with name {name} in the metadata cache.");
        Refusal::new(404, "0x80060888", message)
    })?;
    let body = definition_fields(&table.definition, call.option("$select"))?;
    Ok(json(200, body.to_string()))
}

/// The definitions of all tables, or of the processes' instance tables.
pub(crate) fn definitions(org: &Org, call: &Call<'_>) -> Answer {
    let processes_only = match call.option("$filter") {
        None => false,
        Some("IsBPFEntity eq true") => true,
        Some(_) => return Err(Refusal::unmocked("EntityDefinitions with this $filter")),
    };
    let tables = org.tables.iter().map(|table| &table.definition);
    let tables = tables.filter(|definition| definition.is_process || !processes_only);
    let rows = tables.map(|definition| definition_fields(definition, call.option("$select")));
    let rows = rows.collect::<Answer<Vec<Value>>>()?;
    Ok(json(200, object!({ "value": rows }).to_string()))
}

fn definition_fields(definition: &Definition, select: Option<&str>) -> Answer<Value> {
    let all = "LogicalName,EntitySetName,SchemaName,PrimaryIdAttribute,IsBPFEntity";
    let mut fields = serde_json::Map::new();
    fields.insert(
        "MetadataId".to_owned(),
        object!(Uuid::new_v5(&Uuid::NAMESPACE_OID, definition.logical_name.as_bytes())),
    );
    for name in select.unwrap_or(all).split(',').map(str::trim) {
        let value = match name {
            "LogicalName" => object!(definition.logical_name),
            "EntitySetName" => object!(definition.set_name),
            "SchemaName" => object!(definition.schema_name),
            "PrimaryIdAttribute" => object!(definition.primary_id().name),
            "IsBPFEntity" => object!(definition.is_process),
            "ChangeTrackingEnabled" => object!(false),
            "MetadataId" => continue,
            _ => return Err(Refusal::unknown_column("EntityMetadata", name)),
        };
        fields.insert(name.to_owned(), value);
    }
    Ok(Value::Object(fields))
}
