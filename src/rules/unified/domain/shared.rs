//! Domains that many unrelated companies use, so that they tell none of them from another.
//!
//! A company that owns one of them is grouped by its name. A domain that is missing here groups
//! strangers, one too many only groups by name: in doubt it belongs in.

/// Mail providers that have a domain in many countries, by the label before the suffix.
pub(super) const MAIL_FAMILIES: &[&str] =
    &["gmx", "hotmail", "live", "msn", "outlook", "rocketmail", "windowslive", "yahoo"];

/// Public mail, networks, site builders and hosts with everything below them, in the order of their
/// bytes.
#[rustfmt::skip]
pub(super) const SHARED: &[&str] = &[
    "126.com", "139.com", "163.com", "189.cn", "about.me", "abv.bg", "alice.it", "aliyun.com",
    "amazonaws.com", "aol.com", "aol.de", "aon.at", "appspot.com", "arcor.de", "aruba.it",
    "att.net", "azet.sk", "azurewebsites.net", "bbox.fr", "bell.net", "bellsouth.net",
    "bigcartel.com", "biglobe.ne.jp", "bigpond.com", "bigpond.net.au", "bit.ly", "bitbucket.io",
    "bk.ru", "blogspot.com", "bluewin.ch", "blueyonder.co.uk", "bol.com.br", "btinternet.com",
    "btopenworld.com", "business.google.com", "business.site", "carrd.co", "centrum.cz",
    "centrum.sk", "centurylink.net", "charter.net", "chello.at", "chello.nl", "citromail.hu",
    "cloudfront.net", "club-internet.fr", "cogeco.ca", "comcast.net", "cox.net", "crunchbase.com",
    "daum.net", "docomo.ne.jp", "docs.google.com", "drive.google.com",
    "earthlink.net", "ebay.co.uk", "ebay.com", "ebay.de", "editorx.io", "eircom.net",
    "elisanet.fi", "email.com", "email.cz", "email.de", "etsy.com", "example.com", "example.net",
    "example.org", "ezweb.ne.jp", "facebook.com", "fastmail.com", "fastmail.fm", "fastwebnet.it",
    "fb.com", "fb.me", "firebaseapp.com", "fly.dev", "force.com", "foxmail.com", "free.fr",
    "freemail.hu", "freenet.de", "frontier.com", "g.page", "gazeta.pl", "gelbeseiten.de",
    "github.com", "github.io", "gitlab.com", "gitlab.io", "glassdoor.com", "globo.com",
    "globomail.com", "gmail.com", "godaddysites.com", "goo.gl", "googlemail.com", "hanmail.net",
    "herokuapp.com", "hetnet.nl", "hispeed.ch", "home.nl", "hushmail.com", "i.ua", "icloud.com",
    "ig.com.br", "iinet.net.au", "inbox.com", "inbox.ru", "instagram.com", "interia.pl",
    "internet.ru", "inwind.it", "jimdo.com", "jimdofree.com", "jimdosite.com", "jubii.dk",
    "juno.com", "kabelmail.de", "kakao.com", "kpnmail.nl", "laposte.net", "legalmail.it",
    "libero.it", "linkedin.com", "linktr.ee", "list.ru", "livejournal.com", "lnkd.in",
    "luukku.com", "m.me", "mac.com", "mail.bg", "mail.com", "mail.de", "mail.dk", "mail.ru",
    "mailbox.org", "mailinator.com", "maps.app.goo.gl", "maps.google.com", "me.com", "medium.com",
    "meta.ua", "my.salesforce.com", "mybigcommerce.com", "myshopify.com", "mystrikingly.com",
    "nate.com", "naver.com", "netlify.app", "neuf.fr", "nifty.com", "northdata.com",
    "northdata.de", "notion.site", "ntlworld.com", "numericable.fr", "o2.pl", "ok.ru", "onet.pl",
    "online.de", "online.no", "onmicrosoft.com", "ono.com", "onrender.com", "op.pl",
    "optonline.net", "optusnet.com.au", "orange.fr", "otenet.gr", "page.link", "pages.dev",
    "pandora.be", "passport.com", "pec.it", "pinterest.com", "planet.nl", "pm.me",
    "poczta.onet.pl", "post.cz", "posteo.de", "proton.me", "protonmail.com", "proximus.be",
    "qq.com", "r7.com", "rambler.ru", "reddit.com", "rediffmail.com", "roadrunner.com",
    "rocketmail.com", "rogers.com", "rr.com", "sapo.pt", "sbcglobal.net", "seznam.cz", "sfr.fr",
    "sharepoint.com", "shaw.ca", "sify.com", "sina.cn", "sina.com", "site123.me",
    "sites.google.com", "sky.com", "skynet.be", "softbank.ne.jp", "sohu.com", "sol.dk",
    "squarespace.com", "strikingly.com", "sunrise.ch", "sympatico.ca", "t-online.de", "t.co",
    "t.me", "talktalk.net", "telefonica.net", "telenet.be", "telia.com", "telus.net",
    "terra.com.br", "terra.es", "threads.net", "tiktok.com", "tilda.ws", "tin.it", "tinyurl.com",
    "tiscali.co.uk", "tiscali.it", "tlen.pl", "tripadvisor.com", "tumblr.com", "tuta.io",
    "tutanota.com", "tutanota.de", "twitter.com", "typepad.com", "ueniweb.com", "ukr.net",
    "unitybox.de", "uol.com.br", "upcmail.nl", "utanet.at", "vercel.app", "verizon.net",
    "videotron.ca", "virgilio.it", "virginmedia.com", "vk.com", "vodafone.de", "volny.cz",
    "wa.me", "wanadoo.fr", "web.app", "web.de", "webflow.com", "webflow.io", "webnode.com",
    "webnode.page", "weebly.com", "weibo.com", "whatsapp.com", "wikipedia.org", "windstream.net",
    "wix.com", "wixsite.com", "wlw.de", "wordpress.com", "workers.dev", "wp.pl",
    "wpcomstaging.com", "wpengine.com", "x.com", "xing.com", "xs4all.nl", "xtra.co.nz", "ya.ru",
    "yandex.com", "yandex.ru", "yeah.net", "yelp.com", "ymail.com", "yolasite.com", "youtu.be",
    "youtube.com", "ziggo.nl", "zoho.com", "zohomail.com", "zoznam.sk",
];
