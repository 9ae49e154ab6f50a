//! What a request asks for, from its method, path and query.

use std::collections::HashMap;

use http::Method;
use url::form_urlencoded;
use uuid::Uuid;

use crate::http::transport::Request;
use crate::testkit::dataverse::percent;
use crate::testkit::dataverse::refusal::{Answer, Refusal};

/// The resource that a path names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    ServiceDocument,
    Set(String),
    Row {
        set: String,
        id: Uuid,
    },
    /// `set(id)/rest`: a property's value or a bound function.
    Part {
        set: String,
        id: Uuid,
        part: String,
    },
    /// `EntityDefinitions(LogicalName='x')`.
    Definition(String),
    /// A function or action, with its arguments as they stand.
    Function {
        name: String,
        arguments: String,
    },
}

/// A request, taken apart.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Request,
    pub(crate) target: Target,
    /// Query options in their order, decoded once.
    pub(crate) options: Vec<(String, String)>,
}

const FUNCTIONS: [&str; 9] = [
    "WhoAmI",
    "RetrieveVersion",
    "RetrieveTotalRecordCount",
    "RetrieveCurrentOrganization",
    "InitializeAnnotationBlocksUpload",
    "UploadBlock",
    "CommitAnnotationBlocksUpload",
    "InitializeAnnotationBlocksDownload",
    "DownloadBlock",
];

impl<'a> Call<'a> {
    /// Takes a request to `/api/data/v9.x/...` apart.
    pub(crate) fn parse(request: &'a Request) -> Answer<Self> {
        let raw = request.url.query().unwrap_or("");
        let options = form_urlencoded::parse(raw.as_bytes()).into_owned().collect();
        let path = percent::decode(request.url.path());
        let unmocked = || Refusal::unmocked(&format!("{} {path}", request.method));
        let rest = path.strip_prefix("/api/data/").ok_or_else(unmocked)?;
        let (version, rest) = rest.split_once('/').unwrap_or((rest, ""));
        if !matches!(version, "v9.0" | "v9.1" | "v9.2") {
            return Err(Refusal::new(404, "", "the version segment is not known"));
        }
        Ok(Self { request, target: Target::parse(rest), options })
    }

    pub(crate) fn is(&self, method: &Method) -> bool {
        self.request.method == *method
    }

    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The parameter aliases, `@p1` and so on.
    pub(crate) fn aliases(&self) -> HashMap<String, String> {
        self.options.iter().filter(|(name, _)| name.starts_with('@')).cloned().collect()
    }

    /// A header's value, when it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.request.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// All `Prefer` values, however they are spread over headers.
    pub(crate) fn preferences(&self) -> Vec<String> {
        let headers = self.request.headers.get_all("prefer").iter();
        headers.filter_map(|v| v.to_str().ok()).flat_map(split_preferences).collect()
    }

    pub(crate) fn prefers(&self, preference: &str) -> bool {
        self.preferences().iter().any(|p| p == preference)
    }

    /// The value of `odata.maxpagesize`.
    pub(crate) fn page_size(&self) -> Answer<Option<usize>> {
        let preferences = self.preferences();
        let Some(text) = preferences.iter().find_map(|p| p.strip_prefix("odata.maxpagesize="))
        else {
            return Ok(None);
        };
        match text.parse() {
            Ok(size @ 1..=5000) => Ok(Some(size)),
            _ => Err(Refusal::bad_query("odata.maxpagesize must be between 1 and 5000")),
        }
    }

    /// The scheme, host and port that this request came to.
    pub(crate) fn origin(&self) -> String {
        self.request.url.origin().ascii_serialization()
    }

    /// The entity set, for counting and planting.
    pub(crate) fn set(&self) -> Option<&str> {
        match &self.target {
            // A function of a row goes by its own name.
            Target::Part { part, .. } if bound_function(part).is_some() => bound_function(part),
            Target::Set(set) | Target::Row { set, .. } | Target::Part { set, .. } => Some(set),
            Target::Function { name, .. } => Some(name),
            Target::Definition(_) => Some("EntityDefinitions"),
            Target::ServiceDocument => None,
        }
    }
}

impl Target {
    fn parse(rest: &str) -> Self {
        if rest.is_empty() {
            return Self::ServiceDocument;
        }
        let (head, tail) = match rest.find(['(', '/']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if FUNCTIONS.contains(&head) {
            let arguments = tail.trim_start_matches('(').trim_end_matches(')');
            return Self::Function { name: head.to_owned(), arguments: arguments.to_owned() };
        }
        let Some((key, part)) = tail.strip_prefix('(').and_then(|tail| tail.split_once(')')) else {
            return Self::Set(format!("{head}{tail}"));
        };
        if let Some(name) = key.strip_prefix("LogicalName='").and_then(|k| k.strip_suffix('\'')) {
            return Self::Definition(name.to_owned());
        }
        match (key.parse::<Uuid>(), part.strip_prefix('/')) {
            (Ok(id), None) if part.is_empty() => Self::Row { set: head.to_owned(), id },
            (Ok(id), Some(part)) => Self::Part { set: head.to_owned(), id, part: part.to_owned() },
            _ => Self::Set(rest.to_owned()),
        }
    }
}

/// The name of a function of a row, without namespace and arguments.
fn bound_function(part: &str) -> Option<&str> {
    let (name, _) = part.strip_prefix("Microsoft.Dynamics.CRM.")?.split_once('(')?;
    Some(name)
}

/// Splits at commas outside quotes.
fn split_preferences(header: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut in_quotes = false;
    for c in header.chars() {
        in_quotes ^= c == '"';
        match parts.last_mut() {
            Some(_) if c == ',' && !in_quotes => parts.push(String::new()),
            Some(part) => part.push(c),
            None => {}
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}
