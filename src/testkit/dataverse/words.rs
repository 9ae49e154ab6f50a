//! The text of computed rows: as wide and as varied as people's own.

const FIRST: [&str; 16] = [
    "Amelia",
    "Benjamin",
    "Charlotte",
    "Daniel",
    "Eleonore",
    "Frederik",
    "Giulia",
    "Henrietta",
    "Isabella",
    "Johannes",
    "Katharina",
    "Leonardo",
    "Margarethe",
    "Nikolaus",
    "Ottilie",
    "Philippa",
];
const LAST: [&str; 16] = [
    "Anderson",
    "Baumgartner",
    "Castellano",
    "Dubois",
    "Eriksson",
    "Fernandez",
    "Grabowski",
    "Hoffmann",
    "Ivanova",
    "Jorgensen",
    "Kowalczyk",
    "Lindqvist",
    "Montgomery",
    "Nakamura",
    "O'Sullivan",
    "Papadopoulos",
];
const TRADE: [&str; 8] = [
    "Textile Machinery",
    "Precision Optics",
    "Cold Storage",
    "Packaging Systems",
    "Building Materials",
    "Medical Devices",
    "Harbour Logistics",
    "Industrial Coatings",
];
const FORM: [&str; 8] = ["GmbH", "AG", "Ltd", "Inc.", "S.p.A.", "B.V.", "AB", "KG"];
const PLACE: [(&str, &str); 8] = [
    ("Winterthur", "Switzerland"),
    ("Bad Homburg vor der Höhe", "Germany"),
    ("Rotterdam", "Netherlands"),
    ("San Sebastián", "Spain"),
    ("Gothenburg", "Sweden"),
    ("Wolverhampton", "United Kingdom"),
    ("Bergamo", "Italy"),
    ("Minneapolis", "United States"),
];
const RANK: [&str; 8] = [
    "Head of",
    "Vice President,",
    "Director of",
    "Senior Manager,",
    "Deputy Head of",
    "Regional Lead,",
    "Specialist,",
    "Chief of",
];
const DEPARTMENT: [&str; 8] = [
    "Strategic Purchasing",
    "Plant Engineering",
    "Information Technology",
    "Supply Chain",
    "Quality Management",
    "Finance and Controlling",
    "Field Service",
    "Research and Development",
];
const PROJECT: [&str; 8] = [
    "replacement of the weaving line",
    "framework contract",
    "pilot installation",
    "extension of the maintenance agreement",
    "licences for two further plants",
    "retrofit of the drive units",
    "expansion of the cold store",
    "spare parts and training",
];
const STEP: [&str; 4] = ["1-Qualify", "2-Develop", "3-Propose", "4-Close"];

fn pick<T: Copy, const N: usize>(list: &[T; N], number: u64) -> T {
    // A list is far shorter than any number type, and the remainder is within it.
    list[usize::try_from(number % N as u64).unwrap_or_default()]
}

/// A number below `end`.
pub(crate) fn small(roll: u64, end: u64) -> i64 {
    i64::try_from(roll % end).unwrap_or_default()
}

pub(crate) fn person(roll: u64, _: u64) -> String {
    format!("{} {}", pick(&FIRST, roll), pick(&LAST, roll >> 8))
}

pub(crate) fn work_email(roll: u64, index: u64) -> String {
    email(roll, index, "example.com")
}

pub(crate) fn private_email(roll: u64, index: u64) -> String {
    email(roll, index, "mail.example.org")
}

fn email(roll: u64, index: u64, domain: &str) -> String {
    let last: String = pick(&LAST, roll >> 8).replace('\'', "");
    format!("{}.{last}.{index}@{domain}", pick(&FIRST, roll)).to_lowercase()
}

pub(crate) fn company(roll: u64, index: u64) -> String {
    let (last, trade) = (pick(&LAST, roll), pick(&TRADE, roll >> 8));
    format!("{last} {trade} {} ({index:07})", pick(&FORM, roll >> 16))
}

pub(crate) fn phone(roll: u64) -> String {
    let (area, number) = ((roll >> 32) % 900 + 100, roll % 10_000_000);
    format!("+49 {area} {number:07}-{}", (roll >> 48) % 90 + 10)
}

pub(crate) fn city(roll: u64) -> String {
    pick(&PLACE, roll).0.to_owned()
}

pub(crate) fn country(roll: u64) -> String {
    pick(&PLACE, roll).1.to_owned()
}

pub(crate) fn department(roll: u64) -> String {
    pick(&DEPARTMENT, roll).to_owned()
}

pub(crate) fn job_title(roll: u64) -> String {
    format!("{} {}", pick(&RANK, roll), pick(&DEPARTMENT, roll >> 8))
}

pub(crate) fn deal(roll: u64, index: u64) -> String {
    format!("{}: {} ({index:07})", pick(&LAST, roll), pick(&PROJECT, roll >> 8))
}

pub(crate) fn step(roll: u64) -> String {
    pick(&STEP, roll).to_owned()
}
