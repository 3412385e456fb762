//! A real portal: nginx before a Django application whose sessions are in Redis or PostgreSQL, staff on addresses of this
//! machine, and an intruder who has somebody's password. tripline follows the portal's audit trail and nginx's access log with
//! the shipped policies, and ends the session through a shipped recipe while he pulls customer after customer.
//!
//! No database knows where a loopback address is, so that the list of hosting networks says what it would: his is one.
use crate::servers::stores::{self, Running};
use crate::servers::{free_port, program, run, secret};
use crate::support::{self, DOWNLOADS, Daemon, PORTAL, Site, text, until};
use rustix::net::{AddressFamily, SocketType};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The staff with their roles, each at home on an address of the office.
const STAFF: [(&str, &str); 4] = [("ana", "support"), ("ben", "support"), ("cem", "noc"), ("dora", "admin")];
const OFFICE: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
const INTRUDER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const AT_HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 10);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 66, 6);
/// How many customers the intruder wants, and how many records one export has.
const CUSTOMERS: usize = 20;
const ROWS: usize = 4000;
/// How many days of the past the trails hold.
const DAYS: i64 = 40;

/// A process of ours that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The portal, and tripline's files about it.
struct Portal {
    site: Site,
    port: u16,
    redis: Running,
    postgres: Running,
    _processes: [Process; 2],
}

fn must<T>(there: Option<T>) -> T {
    there.expect("tests/run installs the servers")
}

/// Starts everything but tripline; `store` says where sessions are.
fn portal(store: &str) -> Portal {
    let (redis, postgres) = (must(stores::redis()), must(stores::postgres(None)));
    let site = Site::bare("", "");
    for name in [PORTAL, DOWNLOADS] {
        std::fs::write(site.path(name), "").unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/staff_portal.py");
    let place = format!("{}:{}", postgres.dir.path().display(), postgres.port);
    let cache = format!("redis://:everyone%27s%20password@127.0.0.1:{}/0", redis.port);
    let django = |what: &str| {
        let mut command = Command::new("/usr/bin/python3");
        command.arg(&script).args([what, store, &cache, &place]).arg(site.path(PORTAL));
        command
    };
    run(&mut django("init"));
    let (behind, port) = (free_port(), free_port());
    let log = std::fs::File::create(site.path("django.log")).unwrap();
    let server = django("serve").arg(behind.to_string()).stdin(Stdio::null()).stderr(log).spawn().unwrap();
    let server = Process(server);
    let nginx = Process(nginx(&site, port, behind));
    for port in [behind, port] {
        until("the portal to listen", || TcpStream::connect(("127.0.0.1", port)).ok().map(drop));
    }
    Portal { site, port, redis, postgres, _processes: [server, nginx] }
}

fn nginx(site: &Site, port: u16, behind: u16) -> Child {
    let dir = site.dir.path().display();
    let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|what| format!("{what}_temp_path {dir}/{what};\n"))
        .collect();
    let conf = format!(
        "daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/nginx-error.log; user root; worker_processes 1;\nevents {{}}\nhttp {{\n{places}\
         log_format downloads '$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent '\n\
         '\"$http_referer\" \"$http_user_agent\" rt=$request_time sid=$cookie_sessionid rows=$sent_http_x_rows';\n\
         access_log {dir}/{DOWNLOADS} downloads;\nserver {{ listen 127.0.0.1:{port};\nlocation / {{ proxy_pass http://127.0.0.1:{behind};\n\
         proxy_buffering off; proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Key $remote_user; }} }} }}\n"
    );
    std::fs::write(site.path("nginx.conf"), conf).unwrap();
    let mut command = Command::new(must(program("nginx")));
    command
        .arg("-p")
        .arg(site.dir.path())
        .arg("-c")
        .arg(site.path("nginx.conf"))
        .arg("-e")
        .arg(site.path("nginx-error.log"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Somebody with a browser, and the cookie that he got.
#[derive(Clone)]
struct Browser {
    from: Ipv4Addr,
    port: u16,
    agent: &'static str,
    cookie: String,
    basic: Option<&'static str>,
}

/// Status, headers and body.
type Answer = (u16, String, String);

impl Browser {
    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddrV4::new(self.from, 0)).unwrap();
        rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
        let mut head = format!(
            "{method} {path} HTTP/1.0\r\nHost: portal\r\nUser-Agent: {}\r\nCookie: sessionid={}\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n",
            self.agent,
            self.cookie,
            body.len()
        );
        if let Some(basic) = self.basic {
            write!(head, "Authorization: Basic {basic}\r\n").unwrap();
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        (status, head.to_owned(), body.to_owned())
    }

    fn login(portal: &Portal, user: &str, from: Ipv4Addr, agent: &'static str) -> Option<Browser> {
        let mut browser = Browser { from, port: portal.port, agent, cookie: String::new(), basic: None };
        let (status, head, _) = browser.ask("POST", "/login", &format!("user={user}&password=secret of {user}"));
        let cookie = head.split("sessionid=").nth(1)?.split(';').next()?.to_owned();
        browser.cookie = cookie;
        (status == 200).then_some(browser)
    }

    /// The month of a customer's passcode logs; the status of what was refused, or how many records came.
    fn export(&self, customer: usize) -> Result<usize, u16> {
        let today = jiff::Timestamp::now().to_string()[..10].to_owned();
        let month = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(30 * 24)).to_string()[..10].to_owned();
        let path = format!("/exports/new?account=AC{customer}&kind=mfa&from={month}&to={today}");
        let (status, _, body) = self.ask("GET", &path, "");
        if status != 200 {
            return Err(status);
        }
        let job: Value = serde_json::from_str(&body).unwrap();
        let (status, _, body) = self.ask("GET", &format!("/exports/{}.csv", job["job"].as_str().unwrap()), "");
        if status == 200 { Ok(body.lines().count()) } else { Err(status) }
    }

    /// Customer after customer, until he is refused; how many records came, and what he was refused with.
    fn pull(&self, left: &AtomicUsize) -> Option<u16> {
        for customer in 40..40 + CUSTOMERS {
            match self.export(customer) {
                Ok(rows) => drop(left.fetch_add(rows, Ordering::Relaxed)),
                Err(status) => {
                    self.try_again();
                    return Some(status);
                }
            }
        }
        None
    }

    /// He tries again, as everybody does who was refused. nginx tells whole seconds: what it refuses in the second in which the
    /// session ended may have begun before.
    fn try_again(&self) {
        for customer in 1..4 {
            std::thread::sleep(Duration::from_millis(1100));
            let _ = self.export(customer);
        }
    }
}

/// Forty days of ordinary work, as the trails would have them.
fn past(site: &Site) {
    let now = jiff::Timestamp::now();
    let (mut portal, mut downloads) = (String::new(), String::new());
    let mut n = 0;
    for day in (1..=DAYS).rev() {
        let morning = now - jiff::SignedDuration::from_hours(day * 24);
        for (who, (name, role)) in STAFF.iter().enumerate() {
            for act in 0..26 {
                n += 1;
                let ts = morning + jiff::SignedDuration::from_mins(act * 11 + 3 * who as i64);
                let customer = 1 + (who * 3 + act as usize) % 5 + 5 * who;
                let (event, details) = match act {
                    0 => ("session.login", "{}".to_owned()),
                    9 | 18 => {
                        let day = ts.to_string()[..10].to_owned();
                        let rows = 300 + (day.len() + n * 37) % 900;
                        (
                            "log.export.requested",
                            format!(
                                "{{\"export\":\"old-{n}\",\"kind\":\"sms\",\"from\":\"{day}\",\"to\":\"{day}\",\"rows\":{rows}}}"
                            ),
                        )
                    }
                    _ => ("page.view", "{}".to_owned()),
                };
                writeln!(
                    portal,
                    "{{\"ts\":\"{ts:.3}\",\"id\":\"old-{n}\",\"event\":\"{event}\",\"outcome\":\"success\",\"actor\":{{\"id\":\"u-{}\",\"name\":\"{name}\",\
                     \"type\":\"user\",\"role\":\"{role}\"}},\"session\":\"old-{day}-{name}\",\"ip\":\"127.0.1.{}\",\"ua\":\"{OFFICE}\",\
                     \"account\":\"AC{customer}\",\"duration_ms\":20,\"details\":{details}}}",
                    who + 1,
                    10 + who,
                )
                .unwrap();
            }
        }
        for pull in 0..12 {
            let at = morning + jiff::SignedDuration::from_mins(pull * 20);
            let stamp = at.strftime("%d/%b/%Y:%H:%M:%S +0000");
            writeln!(
                downloads,
                "127.0.9.9 - sync-key [{stamp}] \"GET /api/v1/accounts/AC{}/messages.csv?type=sms&from={d}&to={d} HTTP/1.1\" 200 21000 \"-\" \
                 \"python-requests/2.31\" rt=0.210 sid=- rows=200",
                1 + pull % 3,
                d = at.strftime("%Y-%m-%d"),
            )
            .unwrap();
        }
    }
    site.append_to(PORTAL).write_all(portal.as_bytes()).unwrap();
    site.append_to(DOWNLOADS).write_all(downloads.as_bytes()).unwrap();
}

impl Portal {
    /// Starts tripline, which has read the past, with `more` in its configuration.
    fn watched(&self, more: &str) -> Daemon {
        let dir = self.site.dir.path().display().to_string();
        std::fs::set_permissions(self.site.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(self.site.path("networks.csv"), "network,kind\n127.0.66.0/24,hosting\n").unwrap();
        let staff: String = STAFF.iter().map(|(name, role)| format!("{name},{role}\n")).collect();
        std::fs::write(self.site.path("staff.csv"), format!("actor,role\n{staff}")).unwrap();
        past(&self.site);
        let enrich = format!("[enrich]\nnetwork_lists = ['{dir}/networks.csv']\ndirectory = '{dir}/staff.csv'\n");
        self.site.configure(&format!("{}{enrich}{}", self.site.configuration(), more.replace("$DIR", &dir)));
        let daemon = self.site.start(&[]);
        self.site.caught_up();
        daemon
    }

    /// The keys of an action on the portal's PostgreSQL, as the role that may do little.
    fn on_postgres(&self) -> String {
        let password = secret(self.site.dir.path(), &format!("pg-{}", free_port()), "triplines-password\n");
        format!(
            "address = '127.0.0.1:{}'\ndatabase = 'portal'\nuser = 'tripline'\nsecret_file = {password:?}\n",
            self.postgres.port
        )
    }

    fn recipe_for_redis(&self) -> String {
        let password = secret(self.site.dir.path(), "redis-password", "triplines-password\n");
        format!(
            "recipe = 'django-redis-session'\nwith = {{ address = '127.0.0.1:{}', user = 'tripline' }}\nsecret_file = {password:?}\n",
            self.redis.port
        )
    }

    fn recipe_for_postgres(&self) -> String {
        let place = self.on_postgres();
        let file = place.lines().find(|l| l.starts_with("secret_file")).unwrap();
        format!(
            "recipe = 'django-postgres-session'\nwith = {{ address = '127.0.0.1:{}', database = 'portal' }}\n{file}\n",
            self.postgres.port
        )
    }

    fn orders(&self) -> Vec<Value> {
        self.site.json(&["orders", "list", "--limit", "100"])
    }

    fn order(&self, action: &str) -> Option<Value> {
        self.orders().into_iter().rev().find(|o| o["action"] == action && o["purpose"] == "end")
    }

    fn held(&self, action: &str) -> Value {
        let end = std::time::Instant::now() + support::PATIENCE;
        loop {
            let order = self.order(action);
            let result = |result: &str| order.as_ref().is_some_and(|o| o["verification"]["result"] == result);
            if result("held") {
                return order.unwrap_or_default();
            }
            let over = result("not_held") || result("could_not_tell") || std::time::Instant::now() > end;
            assert!(!over, "{action} is not verified: {order:#?}\n{}", self.last_lines());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The ends of the trails, for whoever looks at a failure.
    fn last_lines(&self) -> String {
        let tail = |name: &str| {
            let text = std::fs::read_to_string(self.site.path(name)).unwrap();
            text.lines().rev().take(8).map(|line| format!("{line}\n")).collect::<String>()
        };
        tail(PORTAL) + &tail(DOWNLOADS)
    }
}

/// What leaves where nobody watches.
fn unwatched(portal: &Portal) -> usize {
    let left = AtomicUsize::new(0);
    let intruder = Browser::login(portal, "ana", ELSEWHERE, INTRUDER).expect("he has the password");
    assert_eq!(intruder.pull(&left), None, "nobody stops him");
    left.into_inner()
}

#[test]
fn the_session_in_redis_dies_while_he_pulls_and_his_next_request_is_refused() {
    let portal = portal("redis");
    let without = unwatched(&portal);
    assert_eq!(without, CUSTOMERS * ROWS);
    for name in [PORTAL, DOWNLOADS] {
        std::fs::write(portal.site.path(name), "").unwrap();
    }
    let daemon = portal.watched(&format!(
        "[response]\nmode = 'enforce'\nwatch_seconds = 6\n[actions.end-session]\n{}",
        portal.recipe_for_redis()
    ));
    let ana = Browser::login(&portal, "ana", AT_HOME, OFFICE).expect("her own password");
    assert_eq!(ana.export(1), Ok(ROWS), "she works");
    let left = AtomicUsize::new(0);
    let intruder = Browser::login(&portal, "ana", ELSEWHERE, INTRUDER).expect("he has the password");
    assert_eq!(intruder.pull(&left), Some(401), "{:#?}", portal.orders());
    let left = left.into_inner();
    let order = portal.held("end-session");
    assert_eq!((order["actor"].as_str(), order["ip"].as_str()), (Some("ana"), Some("127.0.66.6")));
    println!("redis: {left} of {without} records left, {:.1} %", 100.0 * left as f64 / without as f64);
    assert!(left < without);
    // hers goes on
    assert_eq!(ana.export(2), Ok(ROWS));
    assert_eq!(portal.orders().len(), 1, "{:#?}", portal.orders());
    daemon.stop();
}

#[test]
fn two_people_approve_and_the_session_in_postgresql_dies() {
    let portal = portal("postgres");
    let daemon = portal.watched(&format!(
        "[response]\nmode = 'approve'\nwatch_seconds = 6\n[response.approval]\npeople = 2\n[actions.end-session]\n{}",
        portal.recipe_for_postgres()
    ));
    let left = AtomicUsize::new(0);
    let intruder = Browser::login(&portal, "ana", ELSEWHERE, INTRUDER).expect("he has the password");
    let refused = std::thread::scope(|scope| {
        let pulling = scope.spawn(|| {
            let end = std::time::Instant::now() + support::PATIENCE;
            loop {
                match intruder.pull(&left) {
                    Some(status) => break status,
                    None => assert!(std::time::Instant::now() < end, "nobody stops him"),
                }
            }
        });
        let order = until("somebody to be asked", || portal.order("end-session").filter(|o| o["state"] == "waiting"));
        let approve = |uid: u32| {
            let id = order["id"].as_str().unwrap();
            let out = portal.site.command(&["orders", "approve", id]).uid(uid).gid(0).output().unwrap();
            assert!(out.status.success(), "{}", text(&out));
        };
        approve(4001);
        assert_eq!(portal.order("end-session").unwrap()["state"], "waiting", "one is not enough");
        approve(4002);
        pulling.join().unwrap()
    });
    assert_eq!(refused, 401);
    let order = portal.held("end-session");
    assert_eq!(order["approved"].as_array().map(Vec::len), Some(2));
    println!("postgresql, two people: {} records left until both had approved", left.into_inner());
    daemon.stop();
}

/// The portal has moved its sessions to PostgreSQL, and nobody has told tripline: Redis says that the session is gone, and it
/// lives. The next grade ends all of her sessions, or lies too, and the account is locked until somebody gives it back.
fn lied_to(portal: &Portal, all: &str) -> Daemon {
    let lying = portal.recipe_for_redis();
    let place = portal.on_postgres();
    portal.watched(&format!(
        "[response]\nmode = 'enforce'\nwatch_seconds = 6\n[actions.end-session]\n{lying}then = {{ action = 'end-all', target = 'user' }}\n\
         [actions.end-all]\nkind = 'postgres'\n{place}statement = '{all}'\nparameters = ['{{target.actor}}']\nat_most_rows = 50\n\
         then = {{ action = 'lock', target = 'account' }}\n\
         [actions.lock]\nkind = 'postgres'\n{place}statement = 'UPDATE auth_user SET is_active = false WHERE username = $1'\n\
         parameters = ['{{target.actor}}']\nundo = 'unlock'\n\
         [actions.unlock]\nkind = 'postgres'\n{place}statement = 'UPDATE auth_user SET is_active = true WHERE username = $1'\n\
         parameters = ['{{target.actor}}']\n"
    ))
}

fn goes_on_until_refused(intruder: &Browser) {
    let left = AtomicUsize::new(0);
    until("the intruder to be refused", || intruder.pull(&left));
}

#[test]
fn a_recipe_that_lies_is_found_out_and_all_sessions_end() {
    let portal = portal("postgres");
    let all =
        "DELETE FROM django_session WHERE session_key IN (SELECT session_key FROM staff_session WHERE username = $1)";
    let daemon = lied_to(&portal, all);
    let other = Browser::login(&portal, "ana", ELSEWHERE, INTRUDER).expect("he has the password");
    let intruder = Browser::login(&portal, "ana", ELSEWHERE, INTRUDER).expect("twice");
    let ben = Browser::login(&portal, "ben", Ipv4Addr::new(127, 0, 1, 11), OFFICE).expect("his own password");
    goes_on_until_refused(&intruder);
    let lied = portal.order("end-session").unwrap();
    assert_eq!(
        (lied["state"].as_str(), lied["verification"]["result"].as_str()),
        (Some("done"), Some("not_held")),
        "{lied}"
    );
    portal.held("end-all");
    assert_eq!(other.export(1), Err(401), "all of hers");
    assert_eq!(ben.export(6), Ok(ROWS), "and nobody else's");
    assert!(portal.order("lock").is_none());
    daemon.stop();
}

#[test]
fn two_recipes_that_lie_lead_to_the_account_and_a_person_gives_it_back() {
    let portal = portal("postgres");
    // the statement is for a column that holds something else
    let daemon = lied_to(&portal, "DELETE FROM django_session WHERE session_key = $1");
    let intruder = Browser::login(&portal, "ana", ELSEWHERE, INTRUDER).expect("he has the password");
    goes_on_until_refused(&intruder);
    assert_eq!(portal.order("end-all").unwrap()["verification"]["result"], "not_held");
    let lock = portal.held("lock");
    assert!(Browser::login(&portal, "ana", AT_HOME, OFFICE).is_none(), "the account is locked");
    let out = portal.site.say(&["orders", "undo", lock["id"].as_str().unwrap()]);
    assert!(out.status.success(), "{}", text(&out));
    until("the account to be given back", || Browser::login(&portal, "ana", AT_HOME, OFFICE));
    daemon.stop();
}

#[test]
fn a_stolen_key_is_revoked() {
    let portal = portal("redis");
    let place = portal.on_postgres();
    let daemon = portal.watched(&format!(
        "[response]\nmode = 'enforce'\nwatch_seconds = 6\n[actions.revoke-key]\nkind = 'postgres'\n{place}\
         statement = 'UPDATE api_key SET revoked = true WHERE name = $1'\nparameters = ['{{target.actor}}']\n"
    ));
    // sync-key:x
    let thief = Browser {
        from: ELSEWHERE,
        port: portal.port,
        agent: "curl/8.5",
        cookie: String::new(),
        basic: Some("c3luYy1rZXk6eA=="),
    };
    let mut left = 0;
    let today = jiff::Timestamp::now().to_string()[..10].to_owned();
    let month = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(30 * 24)).to_string()[..10].to_owned();
    let pull = |customer: usize| {
        let path = format!("/api/v1/accounts/AC{customer}/messages.csv?type=mfa&from={month}&to={today}");
        let (status, _, body) = thief.ask("GET", &path, "");
        if status == 200 { Ok(body.lines().count()) } else { Err(status) }
    };
    let refused = (40..40 + CUSTOMERS).find_map(|customer| match pull(customer) {
        Ok(rows) => {
            left += rows;
            None
        }
        Err(status) => Some(status),
    });
    assert_eq!(refused, Some(401), "{:#?}", portal.orders());
    // his program tries on: see `try_again`
    for customer in 1..4 {
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(pull(customer), Err(401));
    }
    portal.held("revoke-key");
    println!("key: {left} of {} records left", CUSTOMERS * ROWS);
    daemon.stop();
}
