//! Units as systemd would load them from disk, as far as `check` asks: systemd.unit(5), without specifiers and templates.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where units lie; what stands first wins. `control` is what `systemctl set-property` writes.
const FOLDERS: [&str; 7] = [
    "etc/systemd/system.control",
    "run/systemd/system.control",
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];
/// Folders of people.
const HOME: [&str; 3] = ["/home", "/root", "/run/user"];
/// Folders of files that do not last.
const TMP: [&str; 2] = ["/tmp", "/var/tmp"];

/// A unit with its drop-ins.
#[derive(Debug)]
pub struct Unit {
    name: String,
    /// Names and values of all sections, in the order in which they count.
    settings: Vec<(String, String)>,
}

impl Unit {
    /// Reads a unit below `root`; nothing where it is not installed.
    ///
    /// # Errors
    /// A file of it can't be read.
    pub fn read(root: &Path, name: &str) -> std::io::Result<Option<Unit>> {
        let folders = || FOLDERS.iter().map(|folder| root.join(folder));
        let Some(main) = folders().map(|folder| folder.join(name)).find(|path| path.exists()) else { return Ok(None) };
        // of drop-ins of one name, too, the first counts; all of them in the order of their names
        let mut drop_ins = BTreeMap::new();
        for folder in folders() {
            let Ok(entries) = std::fs::read_dir(folder.join(format!("{name}.d"))) else { continue };
            for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
                if let Some(file) = path.file_name().filter(|_| path.extension().is_some_and(|e| e == "conf")) {
                    drop_ins.entry(file.to_owned()).or_insert(path);
                }
            }
        }
        let mut unit = Unit { name: name.to_owned(), settings: Vec::new() };
        for path in std::iter::once(main).chain(drop_ins.into_values()) {
            unit.add(&std::fs::read_to_string(path)?);
        }
        Ok(Some(unit))
    }

    fn add(&mut self, text: &str) {
        // a line that ends with a backslash goes on in the next
        let text = text.replace("\\\n", " ");
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';', '['])) {
            if let Some((name, value)) = line.split_once('=') {
                self.settings.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last value of a setting.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.settings.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).filter(|v| !v.is_empty())
    }

    /// All words of a list; an empty value begins it anew.
    pub fn words(&self, name: &str) -> Vec<&str> {
        let mut words = Vec::new();
        for (_, value) in self.settings.iter().filter(|(n, _)| n == name) {
            match value.is_empty() {
                true => words.clear(),
                false => words.extend(value.split_whitespace()),
            }
        }
        words
    }

    fn is_yes(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| ["yes", "true", "on", "1"].contains(&value))
    }

    /// The paths of a list, without the marks that stand before them.
    fn paths(&self, name: &str) -> Vec<PathBuf> {
        let words = self.words(name).into_iter();
        // what stands behind a colon is where it is seen, or with which options
        let path =
            |word: &str| PathBuf::from(word.trim_start_matches(['-', '+']).split(':').next().unwrap_or_default());
        words.map(path).collect()
    }

    /// Whether its processes may execute that file.
    pub fn may_execute(&self, path: &Path) -> bool {
        let deny = longest(&self.paths("NoExecPaths"), path);
        let allow = longest(&self.paths("ExecPaths"), path);
        deny.is_none() || allow > deny
    }

    /// Whether its processes see that path at all.
    pub fn may_see(&self, path: &Path) -> bool {
        // nothing that lies in there can be opened again: systemd.exec(5)
        if self.is_inaccessible(path) || self.hides_home(path) {
            return false;
        }
        let mut covered = self.paths("TemporaryFileSystem");
        if self.has_own_tmp() {
            covered.extend(TMP.map(PathBuf::from));
        }
        if self.value("ProtectHome") == Some("tmpfs") {
            covered.extend(HOME.map(PathBuf::from));
        }
        longest(&covered, path) <= longest(&self.laid_over(), path)
    }

    /// Whether that path lies in what is made inaccessible.
    pub fn is_inaccessible(&self, path: &Path) -> bool {
        longest(&self.paths("InaccessiblePaths"), path).is_some()
    }

    /// Whether that path lies in a folder of people, and those can't be seen.
    pub fn hides_home(&self, path: &Path) -> bool {
        let hidden = self.value("ProtectHome").is_some_and(|value| ["yes", "true", "on", "1"].contains(&value));
        hidden && longest(&HOME.map(PathBuf::from), path).is_some()
    }

    /// Whether its `/tmp` is its own: it may write there, and nobody else sees it.
    fn has_own_tmp(&self) -> bool {
        self.is_yes("PrivateTmp") || self.value("PrivateTmp") == Some("disconnected")
    }

    /// Whether its processes may change that path, as far as the unit says.
    pub fn may_write(&self, path: &Path) -> bool {
        let mut open = self.paths("ReadWritePaths");
        open.extend(self.laid_over());
        if self.has_own_tmp() {
            open.extend(TMP.map(PathBuf::from));
        }
        self.value("ProtectSystem") != Some("strict") || longest(&open, path).is_some()
    }

    /// What is bound into its view, and the folders that systemd makes for it.
    fn laid_over(&self) -> Vec<PathBuf> {
        let mut paths = self.paths("BindPaths");
        paths.extend(self.paths("BindReadOnlyPaths"));
        for (setting, base) in [
            ("StateDirectory", "/var/lib"),
            ("LogsDirectory", "/var/log"),
            ("RuntimeDirectory", "/run"),
            ("CacheDirectory", "/var/cache"),
        ] {
            paths.extend(self.words(setting).into_iter().map(|name| Path::new(base).join(name)));
        }
        paths
    }

    /// Whether its processes may send to and receive from that address.
    pub fn may_reach(&self, ip: IpAddr) -> bool {
        if self.is_yes("PrivateNetwork") {
            return false;
        }
        let among = |name| self.words(name).into_iter().any(|word| covers(word, ip));
        among("IPAddressAllow") || !among("IPAddressDeny")
    }

    /// Whether more than this machine can be reached.
    pub fn reaches_others(&self) -> bool {
        let own = |word: &&str| !matches!(*word, "localhost" | "127.0.0.0/8" | "127.0.0.1" | "::1" | "::1/128");
        !self.is_yes("PrivateNetwork")
            && (self.words("IPAddressDeny").is_empty() || self.words("IPAddressAllow").iter().any(own))
    }

    /// Whether it is handed a credential of that name.
    pub fn has_credential(&self, name: &str) -> bool {
        let settings = [
            "LoadCredential",
            "LoadCredentialEncrypted",
            "SetCredential",
            "SetCredentialEncrypted",
            "ImportCredential",
        ];
        let named = |word: &&str| word.split(':').next() == Some(name);
        settings.iter().any(|setting| self.words(setting).iter().any(named))
    }

    /// The files that its credentials come from.
    pub fn credential_files(&self) -> Vec<(&str, &Path)> {
        let words = self.words("LoadCredential").into_iter();
        words
            .filter_map(|word| word.split_once(':'))
            .map(|(name, path)| (name, Path::new(path)))
            .filter(|(_, p)| p.is_absolute())
            .collect()
    }
}

/// How deep the deepest of these folders is that holds `path`, or is it.
fn longest(folders: &[PathBuf], path: &Path) -> Option<usize> {
    // `/bin` and `/usr/bin` may be one, in the list as well as in the path
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let paths = [path.to_owned(), real(path)];
    let holds = |folder: &PathBuf| {
        let folders = [folder.clone(), real(folder)];
        let holds = folders.iter().any(|folder| paths.iter().any(|path| path.starts_with(folder)));
        holds.then(|| folder.components().count())
    };
    folders.iter().filter_map(holds).max()
}

/// Whether a word of IPAddressAllow= or IPAddressDeny= stands for an address.
fn covers(word: &str, ip: IpAddr) -> bool {
    match word {
        "any" => true,
        "localhost" => ip.is_loopback(),
        "link-local" => match ip {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        },
        "multicast" => ip.is_multicast(),
        _ => match (word.parse::<ipnet::IpNet>(), word.parse::<IpAddr>()) {
            (Ok(net), _) => net.contains(&ip),
            (_, Ok(one)) => one == ip,
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A unit with two drop-ins, one of which stands in two folders.
    fn unit(main: &str, drop_ins: &[(&str, &str)]) -> Unit {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("usr/lib/systemd/system/x.service", main);
        drop_ins.iter().for_each(|(path, text)| write(path, text));
        assert!(Unit::read(root.path(), "y.service").unwrap().is_none());
        Unit::read(root.path(), "x.service").unwrap().unwrap()
    }

    #[test]
    fn drop_ins_count_in_the_order_of_their_names_and_the_first_folder_wins() {
        let unit = unit(
            "[Service]\n# a comment=1\nUser=a\nExecPaths=/usr \\\n  /lib\n",
            &[
                ("etc/systemd/system/x.service.d/20.conf", "[Service]\nUser=b\nExecPaths=/opt\n"),
                ("usr/lib/systemd/system/x.service.d/20.conf", "[Service]\nUser=hidden\n"),
                ("run/systemd/system/x.service.d/30.conf", "[Service]\nUser=c\n"),
                ("etc/systemd/system/x.service.d/40.disabled", "[Service]\nUser=d\n"),
            ],
        );
        assert_eq!((unit.value("User"), unit.words("ExecPaths")), (Some("c"), vec!["/usr", "/lib", "/opt"]));
    }

    #[test]
    fn the_deepest_path_decides_and_an_empty_value_begins_anew() {
        let unit = unit(
            "[Service]\nNoExecPaths=/\nExecPaths=/usr -/etc/hooks\nNoExecPaths=/usr/share\nProtectSystem=strict\nProtectHome=yes\n\
             PrivateTmp=yes\nInaccessiblePaths=-/var/log\nStateDirectory=x\nReadWritePaths=/var/log/x /srv/x\n\
             IPAddressDeny=any\nIPAddressAllow=localhost\nLoadCredential=key:/etc/key\n",
            &[(
                "etc/systemd/system/x.service.d/1.conf",
                "[Service]\nIPAddressAllow=\nIPAddressAllow=192.0.2.0/28 ::1\n",
            )],
        );
        for (path, may) in [("/usr/bin/x", true), ("/usr/share/x", false), ("/etc/hooks/end", true), ("/opt/x", false)]
        {
            assert_eq!(unit.may_execute(Path::new(path)), may, "{path}");
        }
        for (path, may) in
            [("/var/lib/x/ledger", true), ("/var/lib/xy", false), ("/srv/x/a", true), ("/srv", false), ("/tmp/a", true)]
        {
            assert_eq!(unit.may_write(Path::new(path)), may, "{path}");
        }
        for (path, may) in [
            ("/var/log/y", false),
            // what is inaccessible is not opened again further in
            ("/var/log/x/a", false),
            ("/run/user/y", false),
            ("/tmp/a", false),
            ("/srv", true),
        ] {
            assert_eq!(unit.may_see(Path::new(path)), may, "{path}");
        }
        for (ip, may) in [("192.0.2.3", true), ("192.0.2.16", false), ("127.0.0.1", false), ("::1", true)] {
            assert_eq!(unit.may_reach(ip.parse().unwrap()), may, "{ip}");
        }
        assert!(unit.reaches_others() && unit.has_credential("key") && !unit.has_credential("ke"));
        assert_eq!(unit.credential_files(), [("key", Path::new("/etc/key"))]);
    }
}
