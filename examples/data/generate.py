#!/usr/bin/env python3
"""Writes the example org of the quickstart: examples/data/contoso/*.json.

The same script gives the same files, byte for byte. Run it from anywhere:

    python3 examples/data/generate.py
"""

import json
import random
import uuid
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

FOLDER = Path(__file__).parent / "contoso"
DICE = random.Random(20260201)
TODAY = date(2026, 2, 2)

FIRST = """Ada Bela Chidi Dana Emil Farah Goran Hana Ines Jonas Kaja Liam Mona Nils Olga Pablo Quentin
Rosa Samir Tove Uma Viktor Wanda Ximena Yusuf Zoe Aoife Björn Çiğdem Łukasz""".split()
LAST = """Lovelace Okafor Novak Silva Haddad Berg Kovač Rossi Nakamura Schmidt Dubois O'Neill Larsen
Patel Santos Müller Jensen Kowalska Ferrari Andersson Yılmaz García Weber Popescu""".split()
OTHER_SCRIPTS = ["李 小龙", "王 芳", "山田 太郎", "佐藤 花子", "김 민준", "محمد الأحمد", "ליאת כהן", "سارة حسن",
                 "Ольга Смирнова", "Νίκος Παπαδόπουλος", "अनिल शर्मा", "Zoë 🚀 Martin"]
COMPANY = """Northwind Fabrikam Adventure Alpine Tailspin Wingtip Litware Proseware Lucerne Humongous
Woodgrove Trey Graphic Margie Fourth Coho Blue Relecloud Wide VanArsdel""".split()
TRADE = """Traders Works Logistics Foods Labs Insurance Telecom Robotics Energy Textiles Media Health
Systems Motors Bank Optics Chemicals Timber Travel Games""".split()
FORM = ["", "", " GmbH", " Ltd", " Inc.", " S.A.", " AB", " s.r.o."]
ODD_COMPANIES = ["株式会社さくら", "北京长城科技", "شركة النور للتجارة", "חברת השמש בע\"מ", "Crème & Brûlée SARL",
                 "Rocket 🚀 Foods", "O'Hara & \"Sons\" <Partners>", "삼성동 상사"]
TITLES = ["CEO", "CFO", "Head of Sales", "Buyer", "Procurement Lead", "IT Director", None, None, "Engineer"]
THINGS = """Rollout Renewal Upgrade Expansion Pilot Migration Licences Support Training Analytics""".split()
CITIES = ["Hamburg", "Porto", "Oslo", "Kraków", "Izmir", "Osaka", "Austin", "Zürich", None]


def new_id():
    return str(uuid.UUID(int=DICE.getrandbits(128), version=4))


def moment(days_ago):
    at = datetime(2026, 2, 2, 8, 0) - timedelta(days=days_ago, seconds=DICE.randrange(86_400))
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def times():
    """When a row was created and changed; the change is never the earlier one."""
    return sorted([moment(DICE.randrange(30, 900)), moment(DICE.randrange(1, 30))])


def money(value):
    return str(Decimal(value).quantize(Decimal("0.0001"), ROUND_HALF_EVEN))


def write(table, columns, rows, **more):
    """One row a line: small files, and readable differences."""
    head = json.dumps({"table": table, **more, "columns": columns.split()}, ensure_ascii=False)
    body = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    (FOLDER / f"{table}.json").write_text(f'{head[:-1]}, "rows": [\n{body}\n]}}\n', encoding="utf-8")


def currencies():
    rows = []
    for iso, name, sign, places, rate in [
        ("EUR", "Euro", "€", 2, "1.000000000000"), ("USD", "US Dollar", "$", 2, "1.084500000000"),
        ("GBP", "Pound Sterling", "£", 2, "0.853210000000"), ("JPY", "Yen", "¥", 0, "163.250000000000"),
        ("CHF", "Swiss Franc", "CHF", 2, "0.941870000000"),
    ]:
        rows.append([new_id(), iso, name, sign, places, rate, 0, 0, 1])
    write("transactioncurrency", "transactioncurrencyid isocurrencycode currencyname currencysymbol "
          "currencyprecision exchangerate currencytype statecode statuscode", rows)
    return rows


def organization(base):
    blocked = "ade;app;asp;bat;cmd;com;dll;exe;hta;htr;htw;js;jse;msi;reg;scr;shtm;shtml;stm;svg;vb;vbs;ws;wsf"
    write("organization", "organizationid name maxuploadfilesize blockedattachments blockedmimetypes "
          "basecurrencyid pricingdecimalprecision fiscalcalendarstart fiscalperiodtype isdisabled languagecode",
          [[new_id(), "contoso", 5_242_880, blocked, "image/svg+xml", base, 2, "2025-04-01T00:00:00Z", 2001,
            False, 1033]], tenant=new_id(), business_unit=new_id())


def users():
    rows = []
    for number in range(46):
        first, last = FIRST[number % len(FIRST)], LAST[number * 7 % len(LAST)]
        name = f"{first} {last}" if number < 38 else OTHER_SCRIPTS[number - 38]
        plain = f"{first}.{last}{number}".lower().replace("'", "").encode("ascii", "ignore").decode()
        domain = "contoso.onmicrosoft.com" if number % 9 == 4 else "contoso.com"
        email = None if number == 41 else f"{plain}@{domain}"
        if number % 8 == 3 and email:
            email = email.title()  # people type their addresses in every case
        given, family = (name.split(" ", 1) + [None])[:2]
        rows.append([new_id(), new_id(), f"{plain}@contoso.com", email, name, given, family,
                     number % 11 == 7, 4 if number == 42 else 0, None, number % 11 != 7, *times()])
    rows.append([new_id(), new_id(), "fluint-sync@contoso.com", None, "# Fluint Sync", "#", "Fluint Sync", False,
                 4, new_id(), False, *times()])
    write("systemuser", "systemuserid azureactivedirectoryobjectid domainname internalemailaddress fullname "
          "firstname lastname isdisabled accessmode applicationid islicensed createdon modifiedon", rows)
    return [row[0] for row in rows[:46]]


def teams():
    rows = [[new_id(), "EMEA Renewals", 0, *times()]]
    write("team", "teamid name teamtype createdon modifiedon", rows)
    return rows[0][0]


def accounts(owners, base):
    rows = []
    for number in range(1200):
        if number < len(ODD_COMPANIES):
            name = ODD_COMPANIES[number]
        elif number % 60 == 0:
            name = "Acme Corporation"  # several accounts share one name
        else:
            name = f"{DICE.choice(COMPANY)} {DICE.choice(TRADE)}{DICE.choice(FORM)}"
        site = f"https://www.company{number % 1100}.example" if DICE.random() < 0.8 else None
        parent = rows[DICE.randrange(len(rows))][0] if number > 50 and DICE.random() < 0.08 else None
        revenue = money(DICE.randrange(10**5, 10**9)) if DICE.random() < 0.4 else None
        inactive = DICE.random() < 0.04
        rows.append([new_id(), name, site, DICE.choice(CITIES), revenue, revenue, parent, base,
                     f"systemuser:{DICE.choice(owners)}", False, int(inactive), 1 + inactive, *times()])
    write("account", "accountid name websiteurl address1_city revenue revenue_base parentaccountid "
          "transactioncurrencyid ownerid merged statecode statuscode createdon modifiedon", rows)
    return [row[0] for row in rows]


def contacts(accounts, owners):
    rows = []
    for number in range(4000):
        if number % 25 == 0:
            first, last = OTHER_SCRIPTS[number // 25 % len(OTHER_SCRIPTS)].rsplit(" ", 1)
        else:
            first, last = DICE.choice(FIRST), DICE.choice(LAST)
        at = DICE.randrange(len(accounts))
        email = f"person{number}@company{at % 1100}.example" if DICE.random() < 0.92 else None
        parent = f"account:{accounts[at]}" if DICE.random() < 0.95 else None
        rows.append([new_id(), f"{first} {last}", first, last, email, DICE.choice(TITLES), parent,
                     f"systemuser:{DICE.choice(owners)}", 0, 1, *times()])
    write("contact", "contactid fullname firstname lastname emailaddress1 jobtitle parentcustomerid ownerid "
          "statecode statuscode createdon modifiedon", rows)
    return [(row[0], row[6].split(":")[1] if row[6] else None) for row in rows]


def processes():
    stock = ["Qualify", "Develop", "Propose", "Close"]
    named = [
        ("Opportunity Sales Process", "opportunitysalesprocess", "opportunity", stock),
        ("Lead to Opportunity Sales Process", "leadtoopportunitysalesprocess", "lead", stock),
        ("Enterprise Motion", "new_bpf_5d1f0c7e9b3a4f62a8d04c6e2b915a77", "opportunity",
         ["Discovery", "Solution Fit", "Security Review", "Legal 📝", "Signature"]),
    ]
    definitions, stages, known = [], [], []
    for order, (name, table, primary, names) in enumerate(named, 1):
        process = new_id()
        definitions.append([process, name, table, 4, 1, 1, 2, primary, order, 0, *times()])
        ids = []
        for category, stage in enumerate(names):
            ids.append(new_id())
            stages.append([ids[-1], stage, min(category, 3), process, "opportunity"])
        known.append((process, table, ids))
    # A cloud flow, which is no business process, and its step: a reader has to leave both out.
    flow = new_id()
    definitions.append([flow, "Notify sales channel", None, 5, 1, 1, 2, "opportunity", None, None, *times()])
    stages.append([new_id(), "Send a message", None, flow, "none"])
    write("workflow", "workflowid name uniquename category type statecode statuscode primaryentity processorder "
          "businessprocesstype createdon modifiedon", definitions)
    write("processstage", "processstageid stagename stagecategory processid primaryentitytypecode", stages)
    return known


def opportunities(accounts, contacts, owners, team, currencies, processes):
    rows, instances = [], {table: [] for _, table, _ in processes}
    for number in range(900):
        new = new_id()
        account = DICE.choice(accounts)
        contact = DICE.choice(contacts)
        is_person = number % 17 == 5  # the customer is a contact; its account is not always known
        customer = f"contact:{contact[0]}" if is_person else f"account:{account}"
        parent = (contact[1] if number % 2 else None) if is_person else account
        owner = f"team:{team}" if number % 45 == 9 else f"systemuser:{DICE.choice(owners)}"
        currency = currencies[0] if DICE.random() < 0.55 else DICE.choice(currencies[1:])
        rate = Decimal(currency[5])
        value = Decimal(DICE.randrange(5_000_000, 9_000_000_000)).scaleb(-4) * (100 if currency[1] == "JPY" else 1)
        value = None if number % 29 == 3 else value
        if number == 100:
            value = Decimal("987654321098.7654")
        state = DICE.choices([0, 1, 2], [68, 18, 14])[0]
        closes = TODAY + timedelta(days=DICE.randrange(-20, 330) if state == 0 else -DICE.randrange(1, 500))
        process, table, stages = processes[0 if number % 10 < 5 else 1 if number % 10 < 7 else 2]
        staged = number % 14 != 6
        at = DICE.randrange(len(stages))
        created, changed = times()
        if staged:
            done = state != 0
            instances[table].append([
                new_id(), new, process, stages[at], changed, ",".join(stages[:at + 1]), int(done), 1 + done,
                created, changed])
        name = f"{DICE.choice(COMPANY)} {DICE.choice(THINGS)} {DICE.choice(['2026', 'Phase 2', '✨', 'EMEA', ''])}".strip()
        lag = DICE.random() < 0.1  # the deprecated column lags behind the process now and then
        base = None if value is None else money(value / rate)
        text = None if value is None else money(value)
        rows.append([
            new, name, customer, parent, contact[0] if number % 3 else None, owner, currency[0], str(rate), text, base,
            text if state == 1 else None, closes.isoformat() if number % 31 else None,
            closes.isoformat() if state else None, DICE.choice([10, 25, 40, 60, 75, 90, None]), state,
            {0: 1 if number % 12 else 2, 1: 3, 2: 4 + number % 2}[state],
            (stages[max(0, at - lag)] if staged else None), process if staged else None, created, changed])
    write("opportunity", "opportunityid name customerid parentaccountid parentcontactid ownerid "
          "transactioncurrencyid exchangerate estimatedvalue estimatedvalue_base actualvalue estimatedclosedate "
          "actualclosedate closeprobability statecode statuscode stageid processid createdon modifiedon", rows)
    for table, found in instances.items():
        prefix = "bpf_" if table.startswith("new_") else ""
        write(table, f"businessprocessflowinstanceid {prefix}opportunityid processid activestageid "
              "activestagestartedon traversedpath statecode statuscode createdon modifiedon", found)


def main():
    FOLDER.mkdir(exist_ok=True)
    known_currencies = currencies()
    base = known_currencies[0][0]
    organization(base)
    owners = users()
    team = teams()
    known_accounts = accounts(owners, base)
    known_contacts = contacts(known_accounts, owners)
    opportunities(known_accounts, known_contacts, owners, team, known_currencies, processes())


if __name__ == "__main__":
    main()
