//! The legal forms themselves, folded like every name ("Kft." is "kft", "S.p.A." is "spa").
//!
//! Words that are as often a part of the name ("Group", "Holding", "Sons") are no legal forms.

/// Forms that stand after a name, words one space apart, in the order of their bytes.
#[rustfmt::skip]
pub(super) const AFTER: &[&str] = &[
    "ab", "ad", "ag", "aktiengesellschaft", "anonim sirketi", "ans", "aps", "as", "asa", "asbl",
    "berhad", "besloten vennootschap", "bhd", "bt", "bv", "bvba", "cie", "cjsc", "co", "cokg",
    "company", "corp", "corporation", "cv", "dd", "dmcc", "doo", "eg", "ehf", "eireli", "ek",
    "eood", "eurl", "ev", "fz llc", "fzco", "fze", "gbr", "ges mbh", "gesellschaft mbh",
    "gesellschaft mit beschrankter haftung", "ggmbh", "gk", "gmbh", "hb", "hf", "inc",
    "incorporated", "jdoo", "joint stock company", "jsc", "kabushiki gaisha",
    "kabushiki kaisha", "kb", "kft", "kg", "kgaa", "kk", "korlatolt felelossegu tarsasag", "ky",
    "lda", "limitada", "limited", "limited liability company", "limited sirketi", "llc", "lllp",
    "llp", "lp", "ltd", "ltd sti", "ltda", "mbh", "naamloze vennootschap", "nv", "nyrt", "ohf",
    "ohg", "ojsc", "ood", "osauhing", "ou", "oy", "oyj", "pbc", "pcl", "pjsc", "plc", "pllc",
    "private limited", "proprietary limited", "psc", "pte", "pte ltd", "pty", "pty limited",
    "pty ltd", "publ", "public company limited", "public limited company", "pvt", "pvt limited",
    "pvt ltd", "s de rl de cv", "sa", "sa de cv", "sa rl", "sab de cv", "sagl", "sapa",
    "sapi de cv", "sarl", "sas", "sasu", "sau", "sdn bhd", "se", "sendirian berhad", "sia",
    "sl", "sll", "slp", "slu", "snc", "sociedad anonima", "sociedad limitada",
    "societa a responsabilita limitata", "societa per azioni", "societe anonyme", "sp j",
    "sp k", "sp z oo", "sp zoo", "spa", "spj", "spk", "spol s ro", "spolka akcyjna",
    "spolka z ograniczona odpowiedzialnoscia", "spolka z oo", "sprl", "spzoo", "srl",
    "srl de cv", "srls", "sro", "sti", "tbk", "uab", "ug", "ug haftungsbeschrankt", "vof",
    "vos", "vzw", "wll", "yk", "zrt", "αε", "εε", "επε", "ικε", "οε", "ад", "ао", "ат", "дд",
    "доо", "еоод", "зао", "ип", "оао", "оод", "ооо", "пао", "пат", "прат", "тов", "тоо", "בע מ",
    "בעמ", "ذمم", "شمع", "شمم", "合同会社", "有", "有限会社", "株", "株式会社", "유", "유한회사", "주", "주식회사",
];

/// Words that stand before a name and are left out when people type, in the order of their bytes.
#[rustfmt::skip]
pub(super) const BEFORE: &[&str] = &[
    "cong ty co phan", "cong ty tnhh", "kabushiki kaisha", "oao", "ooo", "pao", "pt", "the",
    "uab", "zao", "акционерное общество", "ао", "ат", "закрытое акционерное общество", "зао",
    "ип", "нао", "оао", "общество с ограниченнои ответственностью", "ооо", "пао", "пат", "прат",
    "публичное акционерное общество", "тов", "товариство з обмеженою відповідальністю", "тоо",
    "شركه", "合同会社", "有", "有限会社", "株", "株式会社", "유", "유한회사", "주", "주식회사",
];

/// Forms at the end of a name in a script without spaces, the longer before what they end with.
pub(super) const DENSE_AFTER: &[&str] = &[
    "株式会社",
    "有限会社",
    "合同会社",
    "股份有限公司",
    "有限责任公司",
    "有限責任公司",
    "有限公司",
    "주식회사",
    "유한회사",
    "จ\u{e4d}าก\u{e31}ด มหาชน",
    "จ\u{e4d}าก\u{e31}ด",
];

/// Forms at the start of a name in a script without spaces.
pub(super) const DENSE_BEFORE: &[&str] =
    &["株式会社", "有限会社", "合同会社", "주식회사", "유한회사", "บร\u{e34}ษ\u{e31}ท"];

/// Spellings of one form, the longer ones first.
#[rustfmt::skip]
pub(super) const SPELLINGS: &[(&str, &str)] = &[
    ("gesellschaft mit beschrankter haftung", "gmbh"),
    ("s a r l", "sarl"),
    ("societa a responsabilita limitata", "srl"),
    ("spolka z ograniczona odpowiedzialnoscia", "spzoo"),
    ("общество с ограниченнои ответственностью", "ооо"),
    ("joint stock company", "jsc"),
    ("korlatolt felelossegu tarsasag", "kft"),
    ("limited liability company", "llc"),
    ("public company limited", "pcl"),
    ("public limited company", "plc"),
    ("societa per azioni", "spa"),
    ("sp z oo", "spzoo"),
    ("spol s ro", "sro"),
    ("spolka z oo", "spzoo"),
    ("закрытое акционерное общество", "зао"),
    ("публичное акционерное общество", "пао"),
    ("anonim sirketi", "as"),
    ("besloten vennootschap", "bv"),
    ("ges mbh", "gmbh"),
    ("gesellschaft mbh", "gmbh"),
    ("kabushiki gaisha", "kk"),
    ("kabushiki kaisha", "kk"),
    ("limited sirketi", "ltdsti"),
    ("naamloze vennootschap", "nv"),
    ("private limited", "pvtltd"),
    ("proprietary limited", "ptyltd"),
    ("sa rl", "sarl"),
    ("sociedad anonima", "sa"),
    ("sociedad limitada", "sl"),
    ("societe anonyme", "sa"),
    ("sp zoo", "spzoo"),
    ("spolka akcyjna", "sa"),
    ("акционерное общество", "ао"),
    ("בע מ", "בעמ"),
    ("aktiengesellschaft", "ag"),
    ("berhad", "bhd"),
    ("cie", "co"),
    ("company", "co"),
    ("corporation", "corp"),
    ("incorporated", "inc"),
    ("lda", "ltda"),
    ("limitada", "ltda"),
    ("limited", "ltd"),
    ("oao", "оао"),
    ("ooo", "ооо"),
    ("osauhing", "ou"),
    ("pao", "пао"),
    ("sendirian", "sdn"),
    ("zao", "зао"),
    ("有", "yk"),
    ("有限会社", "yk"),
    ("株", "kk"),
    ("株式会社", "kk"),
    ("유한회사", "유"),
    ("주식회사", "주"),
];
