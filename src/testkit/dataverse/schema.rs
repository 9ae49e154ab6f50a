//! The tables that the fake org has, and their columns.

use std::borrow::Cow;

/// What a column holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Guid,
    Text,
    Int,
    Choice,
    Money,
    Decimal,
    Bool,
    Moment,
    Day,
    /// A reference to a row of one of these tables.
    Lookup(Vec<Cow<'static, str>>),
}

/// A column under its logical name.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// The name in `$select`, `$filter` and answers: `_x_value` for a lookup.
    pub(crate) read_name: String,
    pub(crate) kind: Kind,
    pub(crate) origin: Origin,
}

/// Where a column's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Stored,
    /// The row's version.
    Version,
    /// The owner, when it is a user.
    OwningUser,
    /// The owner, when it is a team.
    OwningTeam,
}

/// A table's definition.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) logical_name: String,
    pub(crate) set_name: String,
    /// As in privilege names: `Opportunity` in `prvReadOpportunity`.
    pub(crate) schema_name: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) primary_name: usize,
    pub(crate) is_process: bool,
}

impl Definition {
    fn parse(logical_name: &str, set_name: &str, schema_name: &str, columns: &str) -> Self {
        let columns: Vec<Column> = columns.split_whitespace().map(Column::parse).collect();
        let primary_name = match logical_name {
            "systemuser" | "contact" => "fullname",
            "processstage" => "stagename",
            "transactioncurrency" => "currencyname",
            "annotation" => "subject",
            _ => "name",
        };
        let primary_name = columns.iter().position(|c| c.name == primary_name).unwrap_or(0);
        Self {
            logical_name: logical_name.to_owned(),
            set_name: set_name.to_owned(),
            schema_name: schema_name.to_owned(),
            columns,
            primary_name,
            is_process: false,
        }
    }

    /// An instance table of a process: the stock two call their lookups `opportunityid`, a custom
    /// one `bpf_opportunityid`.
    pub(crate) fn instances(logical_name: &str) -> Self {
        let stock = matches!(logical_name, "opportunitysalesprocess")
            || logical_name == "leadtoopportunitysalesprocess";
        let prefix = if stock { "" } else { "bpf_" };
        let columns = INSTANCE.replace("PREFIX", prefix);
        let set = if logical_name.ends_with("ss") || logical_name.ends_with('x') {
            format!("{logical_name}es")
        } else {
            format!("{logical_name}s")
        };
        let mut definition = Self::parse(logical_name, &set, logical_name, &columns);
        definition.is_process = true;
        definition
    }

    /// The tables every fake org has.
    pub(crate) fn stock() -> Vec<Self> {
        let mut tables: Vec<Self> =
            STOCK.iter().map(|(l, s, p, c)| Self::parse(l, s, p, c)).collect();
        tables.push(Self::instances("opportunitysalesprocess"));
        tables.push(Self::instances("leadtoopportunitysalesprocess"));
        tables
    }

    /// The column of a logical name.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The column of a name as queries use it.
    pub(crate) fn readable(&self, read_name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.read_name == read_name)
    }

    pub(crate) fn primary_id(&self) -> &Column {
        // Every definition starts with its key.
        &self.columns[0]
    }
}

impl Column {
    fn parse(spec: &str) -> Self {
        let (name, kind) = spec.split_once(':').unwrap_or((spec, "s"));
        let kind = match kind {
            "g" => Kind::Guid,
            "i" => Kind::Int,
            "p" => Kind::Choice,
            "$" => Kind::Money,
            "d" => Kind::Decimal,
            "b" => Kind::Bool,
            "t" => Kind::Moment,
            "day" => Kind::Day,
            "s" => Kind::Text,
            targets => Kind::Lookup(targets.split('|').map(|t| Cow::Owned(t.to_owned())).collect()),
        };
        let read_name = match kind {
            Kind::Lookup(_) => format!("_{name}_value"),
            _ => name.to_owned(),
        };
        let origin = match name {
            "versionnumber" => Origin::Version,
            "owninguser" => Origin::OwningUser,
            "owningteam" => Origin::OwningTeam,
            _ => Origin::Stored,
        };
        Self { name: name.to_owned(), read_name, kind, origin }
    }
}

type Spec = (&'static str, &'static str, &'static str, &'static str);

/// Columns as `name:kind`; no kind is text, a table's name is a lookup.
const STOCK: &[Spec] = &[
    (
        "systemuser",
        "systemusers",
        "User",
        "systemuserid:g azureactivedirectoryobjectid:g domainname internalemailaddress fullname \
         firstname lastname isdisabled:b accessmode:p applicationid:g islicensed:b title \
         jobtitle mobilephone personalemailaddress businessunitid:businessunit \
         parentsystemuserid:systemuser createdon:t modifiedon:t versionnumber:i",
    ),
    (
        "team",
        "teams",
        "Team",
        "teamid:g name teamtype:p description emailaddress businessunitid:businessunit \
         createdon:t modifiedon:t versionnumber:i",
    ),
    (
        "account",
        "accounts",
        "Account",
        "accountid:g name accountnumber emailaddress1 websiteurl telephone1 revenue:$ \
         revenue_base:$ numberofemployees:i industrycode:p customertypecode:p \
         accountcategorycode:p ownershipcode:p tickersymbol sic description address1_line1 \
         address1_city address1_stateorprovince address1_postalcode address1_country \
         address1_composite parentaccountid:account primarycontactid:contact masterid:account \
         merged:b transactioncurrencyid:transactioncurrency exchangerate:d \
         ownerid:systemuser|team owninguser:systemuser owningteam:team \
         owningbusinessunit:businessunit statecode:p statuscode:p createdon:t modifiedon:t \
         overriddencreatedon:t versionnumber:i",
    ),
    (
        "contact",
        "contacts",
        "Contact",
        "contactid:g fullname firstname lastname middlename emailaddress1 emailaddress2 \
         emailaddress3 telephone1 mobilephone jobtitle department salutation \
         parentcustomerid:account|contact accountid:account accountrolecode:p birthdate:day \
         anniversary:day donotemail:b masterid:contact merged:b ownerid:systemuser|team \
         owninguser:systemuser owningteam:team owningbusinessunit:businessunit statecode:p \
         statuscode:p createdon:t modifiedon:t overriddencreatedon:t versionnumber:i",
    ),
    (
        "opportunity",
        "opportunities",
        "Opportunity",
        "opportunityid:g name customerid:account|contact parentaccountid:account \
         parentcontactid:contact ownerid:systemuser|team owninguser:systemuser owningteam:team \
         owningbusinessunit:businessunit transactioncurrencyid:transactioncurrency \
         exchangerate:d estimatedvalue:$ estimatedvalue_base:$ actualvalue:$ actualvalue_base:$ \
         budgetamount:$ budgetamount_base:$ totalamount:$ totalamount_base:$ \
         isrevenuesystemcalculated:b estimatedclosedate:day actualclosedate:day \
         finaldecisiondate:day closeprobability:i statecode:p statuscode:p stepname stageid:g \
         processid:g traversedpath stepid:g salesstage:p salesstagecode:p \
         opportunityratingcode:p msdyn_forecastcategory:p description currentsituation \
         customerneed proposedsolution emailaddress originatingleadid:lead campaignid:campaign \
         pricelevelid:pricelevel createdon:t modifiedon:t overriddencreatedon:t versionnumber:i",
    ),
    (
        "processstage",
        "processstages",
        "ProcessStage",
        "processstageid:g stagename stagecategory:p processid:workflow primaryentitytypecode \
         parentprocessstageid:processstage clientdata versionnumber:i",
    ),
    (
        "workflow",
        "workflows",
        "Workflow",
        "workflowid:g name uniquename category:p statecode:p statuscode:p type:p primaryentity \
         processorder:i businessprocesstype:p clientdata activeworkflowid:workflow \
         parentworkflowid:workflow createdon:t modifiedon:t versionnumber:i",
    ),
    (
        "transactioncurrency",
        "transactioncurrencies",
        "TransactionCurrency",
        "transactioncurrencyid:g isocurrencycode currencyname currencysymbol currencyprecision:i \
         exchangerate:d currencytype:p statecode:p statuscode:p createdon:t modifiedon:t \
         versionnumber:i",
    ),
    (
        "organization",
        "organizations",
        "Organization",
        "organizationid:g name maxuploadfilesize:i blockedattachments blockedmimetypes \
         allowedmimetypes basecurrencyid:transactioncurrency pricingdecimalprecision:i \
         fiscalcalendarstart:t fiscalperiodtype:i fiscalyearformat fiscalperiodformat \
         expirechangetrackingindays:i isdisabled:b disabledreason languagecode:i \
         fullnameconventioncode:p maximumactivebusinessprocessflowsallowedperentity:i \
         createdon:t modifiedon:t versionnumber:i",
    ),
    (
        "annotation",
        "annotations",
        "Note",
        "annotationid:g subject notetext documentbody filename mimetype isdocument:b \
         objectid:opportunity|account|contact objecttypecode filesize:i ownerid:systemuser|team \
         owninguser:systemuser owningteam:team owningbusinessunit:businessunit langid \
         createdon:t modifiedon:t createdby:systemuser modifiedby:systemuser versionnumber:i",
    ),
];

const INSTANCE: &str = "businessprocessflowinstanceid:g name activestageid:processstage activestagestartedon:t \
         completedon:t PREFIXopportunityid:opportunity PREFIXleadid:lead PREFIXquoteid:quote \
         PREFIXsalesorderid:salesorder processid:workflow traversedpath duration:i statecode:p \
         statuscode:p transactioncurrencyid:transactioncurrency createdon:t modifiedon:t \
         versionnumber:i";
