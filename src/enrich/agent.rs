//! User agent -> family, operating system, major version, and whether a browser or a tool. What is not known stays unknown.
use crate::model::Text;

/// What a user agent says of the device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Browser or tool: `Chrome`, `curl`.
    pub family: Option<Text>,
    /// `Windows`, `macOS`, `Linux`, `Android`, `iOS`, `ChromeOS`.
    pub os: Option<Text>,
    /// The major version.
    pub version: Option<u32>,
    /// `browser`, `tool` or `unknown`.
    pub kind: &'static str,
}

/// Marks of browsers, the more telling ones first: most browsers also carry the marks of those that they imitate.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("OPiOS/", "Opera"),
    ("OPT/", "Opera"),
    ("Opera/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("UCBrowser/", "UC Browser"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Brave/", "Brave"),
    ("HeadlessChrome/", "HeadlessChrome"),
    ("Electron/", "Electron"),
    ("FxiOS/", "Firefox"),
    ("Focus/", "Firefox"),
    ("Seamonkey/", "SeaMonkey"),
    ("SeaMonkey/", "SeaMonkey"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("MSIE ", "Internet Explorer"),
];

/// Programs whose own name does not stand first in their user agent.
const TOOLS_WITHIN: &[(&str, &str)] = &[
    ("Googlebot/", "Googlebot"),
    ("bingbot/", "bingbot"),
    ("YandexBot/", "YandexBot"),
    ("Baiduspider/", "Baiduspider"),
    ("PhantomJS/", "PhantomJS"),
    ("WindowsPowerShell/", "PowerShell"),
    ("PowerShell/", "PowerShell"),
];

/// Reads a user agent.
pub fn device(agent: &str) -> Device {
    let agent = agent.trim();
    if agent.is_empty() || agent == "-" {
        return Device { kind: "unknown", ..Device::default() };
    }
    let os = os(agent);
    let found = |kind, family: &str, version| Device {
        family: Some(family.into()),
        os: os.map(Text::const_new),
        version,
        kind,
    };
    for (mark, family) in TOOLS_WITHIN {
        if let Some(at) = agent.find(mark) {
            return found("tool", family, major(&agent[at + mark.len()..]));
        }
    }
    if agent.starts_with("Mozilla/") || agent.starts_with("Opera/") {
        return browser(agent).map_or(
            Device { os: os.map(Text::const_new), kind: "unknown", ..Device::default() },
            |(family, version)| found("browser", family, version),
        );
    }
    tool(agent)
        .map_or(Device { os: os.map(Text::const_new), kind: "unknown", ..Device::default() }, |(family, version)| {
            found("tool", family, version)
        })
}

fn browser(agent: &str) -> Option<(&'static str, Option<u32>)> {
    for (mark, family) in BROWSERS {
        if let Some(at) = agent.find(mark) {
            let version = &agent[at + mark.len()..];
            // Opera from 10 on and Safari state the real version elsewhere.
            let version = match agent.find("Version/") {
                Some(v) if *mark == "Opera/" => &agent[v + "Version/".len()..],
                _ => version,
            };
            return Some((family, major(version)));
        }
    }
    if agent.contains("Trident/") {
        let at = agent.find("rv:")?;
        return Some(("Internet Explorer", major(&agent[at + 3..])));
    }
    if agent.contains("Safari/") || agent.contains("AppleWebKit/") {
        let version = agent.find("Version/").and_then(|at| major(&agent[at + "Version/".len()..]));
        return Some(("Safari", version));
    }
    None
}

/// The first product of a program's user agent (RFC 9110, 10.1.5): `name/version`.
fn tool(agent: &str) -> Option<(&str, Option<u32>)> {
    let product = agent.split([' ', '(', ';', ',']).next()?;
    let (name, version) = match product.split_once('/') {
        Some((name, version)) => (name, major(version)),
        None => (product, None),
    };
    let right = |b: u8| b.is_ascii_alphanumeric() || b"-_.+!".contains(&b);
    (!name.is_empty() && name.len() <= 64 && name.bytes().all(right)).then_some((name, version))
}

/// The number at the beginning.
fn major(version: &str) -> Option<u32> {
    let version = version.trim_start_matches(['v', 'V']);
    let end = version.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(version.len());
    version[..end].parse().ok()
}

fn os(agent: &str) -> Option<&'static str> {
    const MARKS: &[(&str, &str)] = &[
        ("iPhone", "iOS"),
        ("iPad", "iOS"),
        ("iPod", "iOS"),
        ("Android", "Android"),
        ("CrOS", "ChromeOS"),
        ("Windows", "Windows"),
        ("windows", "Windows"),
        ("Macintosh", "macOS"),
        ("Mac OS X", "macOS"),
        ("macOS", "macOS"),
        ("Darwin", "macOS"),
        ("darwin", "macOS"),
        ("Linux", "Linux"),
        ("linux", "Linux"),
        ("X11", "Linux"),
    ];
    MARKS.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, os)| *os)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_and_tools_are_told_apart() {
        for (agent, is) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/118.0.0.0 Safari/537.36",
                ("Chrome", "Windows", 118, "browser"),
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0.0.0",
                ("Edge", "Linux", 120, "browser"),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7; rv:121.0) Gecko/20100101 Firefox/121.0",
                ("Firefox", "macOS", 121, "browser"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1",
                ("Safari", "iOS", 17, "browser"),
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Mobile Safari/537.36",
                ("Chrome", "Android", 119, "browser"),
            ),
            ("Opera/9.80 (Windows NT 6.1) Presto/2.12 Version/12.16", ("Opera", "Windows", 12, "browser")),
            (
                "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
                ("Internet Explorer", "Windows", 11, "browser"),
            ),
            ("curl/8.5.0", ("curl", "", 8, "tool")),
            ("python-requests/2.31.0", ("python-requests", "", 2, "tool")),
            ("Go-http-client/1.1", ("Go-http-client", "", 1, "tool")),
            ("okhttp/4.12.0", ("okhttp", "", 4, "tool")),
            ("aws-cli/1.16.310 Python/3.8.1 Darwin/18.7.0 botocore/1.13.46", ("aws-cli", "macOS", 1, "tool")),
            ("Java/17.0.2", ("Java", "", 17, "tool")),
            ("Wget/1.21.3", ("Wget", "", 1, "tool")),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", ("Googlebot", "", 2, "tool")),
        ] {
            let got = device(agent);
            let text = |t: &Option<Text>| t.as_deref().unwrap_or("").to_owned();
            assert_eq!(
                (text(&got.family).as_str(), text(&got.os).as_str(), got.version.unwrap_or(0), got.kind),
                is,
                "{agent}"
            );
        }
        for agent in ["", "-", "Mozilla/5.0", "\u{202e}evil", "'; drop table"] {
            assert_eq!(device(agent).kind, "unknown", "{agent}");
        }
    }
}
