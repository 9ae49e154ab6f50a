//! The fake's state, and the way of a request through it.

use std::collections::VecDeque;

use bytes::Bytes;
use http::Method;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::http::transport::{Request, Response, TransportError};
use crate::testkit::dataverse::access::{bearer, sign_in};
use crate::testkit::dataverse::blocks::Uploads;
use crate::testkit::dataverse::call::{Call, Target};
use crate::testkit::dataverse::cell::Cell;
use crate::testkit::dataverse::faults::{Fault, Faults, Line, Passing};
use crate::testkit::dataverse::functions;
use crate::testkit::dataverse::org::Org;
use crate::testkit::dataverse::page;
use crate::testkit::dataverse::percent;
use crate::testkit::dataverse::protection::Protection;
use crate::testkit::dataverse::refusal::{Answer, Refusal, set_header, text};
use crate::testkit::dataverse::table::Table;
use crate::testkit::dataverse::write::{Author, write};
use crate::testkit::entra::tokens::{Ledger, Standing};

/// Everything that the fake Dataverse knows.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) org: Org,
    pub(crate) faults: Faults,
    pub(crate) protection: Protection,
    pub(crate) parallelism: u32,
    /// The most rows of a page, whatever was asked for.
    pub(crate) page_limit: usize,
    pub(crate) total: u64,
    pub(crate) journal: VecDeque<String>,
    uploads: Uploads,
    /// Requests that are to land later.
    waiting: Vec<Request>,
}

/// What the journal keeps.
const JOURNAL: usize = 2_000;

impl Service {
    pub(crate) fn new(org: Org) -> Self {
        Self {
            org,
            faults: Faults::default(),
            protection: Protection::default(),
            parallelism: 4,
            page_limit: usize::MAX,
            total: 0,
            journal: VecDeque::new(),
            uploads: Uploads::default(),
            waiting: Vec::new(),
        }
    }

    /// Answers a request, or breaks the connection.
    pub(crate) fn respond(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
        ledger: &Ledger,
    ) -> Result<Response, TransportError> {
        self.note(request);
        let call = match Call::parse(request) {
            Ok(call) => call,
            Err(refusal) => return Ok(self.finish(refusal.into_response())),
        };
        let fault = self.faults.strike(passing(&call));
        match &fault {
            Some(lost) if matches!(lost.line(), Some(Line::Before | Line::Never)) => {
                if *lost == Fault::LandsLater {
                    self.waiting.push(request.clone());
                }
                return Err(lost.broken());
            }
            Some(Fault::TooManyRequests { retry_after }) => {
                let wait = retry_after.as_ref().and_then(|text| text.parse().ok());
                self.protection.block_until(now + Duration::seconds(wait.unwrap_or(0)));
            }
            _ => {}
        }
        if let Some(response) = fault.as_ref().and_then(Fault::answer) {
            return Ok(self.finish(response));
        }
        judge_token(fault.as_ref(), &call, ledger);
        let answered = self.answer(&call, fault.as_ref(), now, ledger);
        let mut response = answered.unwrap_or_else(Refusal::into_response);
        match fault {
            Some(lost) if lost.line().is_some() => return Err(lost.broken()),
            Some(Fault::TruncatedBody) => {
                response.body = response.body.slice(..response.body.len() / 2);
            }
            _ => {}
        }
        Ok(self.finish(response))
    }

    /// Whether a fault breaks this request; it is carried out as far as the fault says.
    pub(crate) fn breaks(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
        ledger: &Ledger,
    ) -> bool {
        let ahead = Call::parse(request).ok().and_then(|call| self.faults.ahead(passing(&call)));
        let breaks = ahead.is_some_and(|fault| fault.line().is_some());
        breaks && self.respond(request, now, ledger).is_err()
    }

    /// Carries out the requests that were to land later.
    pub(crate) fn land(&mut self, now: OffsetDateTime, ledger: &Ledger) -> usize {
        let waiting = std::mem::take(&mut self.waiting);
        for request in &waiting {
            if let Ok(call) = Call::parse(request) {
                // Nobody is there to read the answer, refusals included.
                let _ = self.answer(&call, None, now, ledger);
            }
        }
        waiting.len()
    }

    /// The process instance of an opportunity: its table and its id.
    pub(crate) fn instance_of(&self, opportunity: Uuid) -> Option<(String, Uuid)> {
        let processes = self.org.tables.iter().filter(|table| table.definition.is_process);
        for table in processes {
            let definition = &table.definition;
            let column = definition
                .column("opportunityid")
                .or_else(|| definition.column("bpf_opportunityid"))?;
            let points = |cell: &Cell| cell.id() == Some(opportunity);
            let row = table.after(None).find(|row| points(&row.cell(column)));
            if let Some(row) = row {
                return Some((definition.logical_name.clone(), row.id()));
            }
        }
        None
    }

    fn note(&mut self, request: &Request) {
        self.total += 1;
        if self.journal.len() == JOURNAL {
            self.journal.pop_front();
        }
        let query = request.url.query().map_or_else(String::new, |query| format!("?{query}"));
        let path = request.url.path();
        self.journal.push_back(format!("{} {path}{query}", request.method));
    }

    fn answer(
        &mut self,
        call: &Call<'_>,
        fault: Option<&Fault>,
        now: OffsetDateTime,
        ledger: &Ledger,
    ) -> Answer {
        let user = sign_in(&self.org, call, ledger, now)?;
        self.protection.admit(now)?;
        let by = Author { user, now };
        if call.is(&Method::GET) {
            self.read(call, fault, user)
        } else if call.is(&Method::PATCH) || call.is(&Method::POST) {
            self.change(call, by)
        } else {
            Err(Refusal::unmocked(&format!("{} {:?}", call.request.method, call.target)))
        }
    }

    fn read(&self, call: &Call<'_>, fault: Option<&Fault>, user: Uuid) -> Answer {
        let org = &self.org;
        match &call.target {
            Target::ServiceDocument => functions::service_document(org, call),
            Target::Function { name, arguments } => {
                functions::call(org, name, arguments, call, user)
            }
            Target::Definition(name) => functions::definition(org, name, call),
            Target::Set(set) if set == "EntityDefinitions" => functions::definitions(org, call),
            Target::Set(set) => {
                let table = org.table(set)?;
                org.demand(user, "Read", table)?;
                refuse_bodies(table, call)?;
                match fault {
                    Some(Fault::EmptyPage) => page::empty_page(table, call),
                    _ => page::list(org, table, call, org.sight(user, table), self.page_limit),
                }
            }
            Target::Row { set, id } => {
                let table = self.readable(set, *id, user)?;
                page::single(org, table, *id, call)
            }
            Target::Part { set, id, part } => self.part(call, set, *id, part, user),
        }
    }

    fn part(&self, call: &Call<'_>, set: &str, id: Uuid, part: &str, user: Uuid) -> Answer {
        let function = part.strip_prefix("Microsoft.Dynamics.CRM.");
        if let Some(function) = function.filter(|name| name.starts_with("RetrieveUser")) {
            return functions::privileges(&self.org, user, call, function);
        }
        let table = self.readable(set, id, user)?;
        let logical_name = &table.definition.logical_name;
        let row = table.row(id).ok_or_else(|| Refusal::no_row(logical_name, id))?;
        let Some(column) = part.strip_suffix("/$value") else {
            return Err(Refusal::unmocked(&format!("{set}({id})/{part}")));
        };
        let unknown = || Refusal::unknown_column(logical_name, column);
        let at = table.definition.readable(column).ok_or_else(unknown)?;
        let value = row.cell(at).to_text();
        Ok(value.map_or_else(
            || text(204, "text/plain", Bytes::new()),
            |value| text(200, "text/plain", value),
        ))
    }

    /// The table, when the user may read it and this row of it.
    fn readable(&self, set: &str, id: Uuid, user: Uuid) -> Answer<&Table> {
        let table = self.org.table(set)?;
        self.org.demand(user, "Read", table)?;
        let sight = self.org.sight(user, table);
        let is_out_of_sight = table.row(id).is_some_and(|row| !self.org.shows(sight, row));
        if is_out_of_sight || self.org.is_hidden(id) {
            let privilege = format!("prvRead{}", table.definition.schema_name);
            return Err(Refusal::privilege(user, &privilege, &table.definition.logical_name));
        }
        Ok(table)
    }

    fn change(&mut self, call: &Call<'_>, by: Author) -> Answer {
        match &call.target {
            Target::Row { set, id } if set == "annotations" && call.is(&Method::PATCH) => {
                write(&mut self.org, call, Some(*id), by)
            }
            Target::Set(set) if set == "annotations" && call.is(&Method::POST) => {
                write(&mut self.org, call, None, by)
            }
            Target::Function { name, .. } if name.contains("Block") => {
                self.uploads.act(&mut self.org, name, call, by)
            }
            target => Err(Refusal::unmocked(&format!("{} {target:?}", call.request.method))),
        }
    }

    /// Adds the headers that every answer has.
    fn finish(&self, mut response: Response) -> Response {
        let headers = &mut response.headers;
        set_header(headers, "x-ms-dop-hint", &self.parallelism.to_string());
        let remaining = self.protection.remaining().to_string();
        set_header(headers, "x-ms-ratelimit-burst-remaining-xrm-requests", &remaining);
        set_header(headers, "x-ms-ratelimit-time-remaining-xrm-requests", "1200.00");
        let id = Uuid::new_v5(&self.org.organization, &self.total.to_be_bytes());
        set_header(headers, "x-ms-service-request-id", &id.to_string());
        set_header(headers, "set-cookie", "ARRAffinity=fake; path=/; HttpOnly");
        response
    }
}

/// Refuses to list files: a page of them would be gigabytes.
fn refuse_bodies(table: &Table, call: &Call<'_>) -> Answer<()> {
    let lists_bodies = table.definition.logical_name == "annotation"
        && call.option("$select").is_none_or(|names| names.contains("documentbody"));
    if lists_bodies {
        return Err(Refusal::bad_query("a list of annotations with documentbody"));
    }
    Ok(())
}

/// The request as faults see it: its set, and its page when it reads one.
fn passing<'c>(call: &'c Call<'_>) -> Passing<'c> {
    let is_list = call.is(&Method::GET) && matches!(call.target, Target::Set(_));
    let page = is_list.then(|| {
        let token = call.option("$skiptoken").map(percent::decode);
        let number = token
            .as_deref()
            .and_then(|token| token.split_once("pagenumber=\"")?.1.split_once('"')?.0.parse().ok());
        number.unwrap_or(1)
    });
    Passing { set: call.set(), page }
}

/// Makes the token of this request invalid when a fault says so.
fn judge_token(fault: Option<&Fault>, call: &Call<'_>, ledger: &Ledger) {
    let standing = match fault {
        Some(Fault::ExpiredToken) => Standing::Revoked,
        Some(Fault::ClaimsChallenge) => {
            Standing::Challenged(r#"{"access_token":{"nbf":{"essential":true}}}"#.to_owned())
        }
        _ => return,
    };
    if let Some(token) = bearer(call) {
        ledger.judge(Some(token), &standing);
    }
}
