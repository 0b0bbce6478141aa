//! Somebody with a real browser: headless Chromium, driven through chromedriver, at the size of a phone or of a desk. Whatever
//! page they come to has to fit its window, and the browser must have nothing to complain about: no failed request, no error
//! of a script, no breach of the content security policy.

use super::stage::Stage;
use serde_json::json;
use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use thirtyfour::{ChromiumLikeCapabilities, LoggingPrefsLogLevel, prelude::*};

/// How big the window is, in CSS pixels.
#[derive(Clone, Copy, Debug)]
pub enum Size {
    Phone,
    Desk,
}

impl Size {
    fn pixels(self) -> (u32, u32) {
        match self {
            Self::Phone => (390, 844),
            Self::Desk => (1280, 900),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(50);

pub struct Browser {
    driver: WebDriver,
    base: String,
    width: i64,
    /// Profile and downloads.
    folder: tempfile::TempDir,
    _chromedriver: Chromedriver,
}

impl Browser {
    /// A fresh browser that knows nobody; none where no chromedriver is installed, which is said.
    pub async fn open(stage: &Stage, size: Size) -> Option<Self> {
        let Some(chromedriver) = Chromedriver::start() else {
            println!("browser stories skipped: no chromedriver");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let capabilities = capabilities(size, folder.path()).expect("capabilities are JSON");
        let driver =
            WebDriver::new(&chromedriver.url, capabilities).await.expect("chromedriver starts a Chromium of its own version");
        let base = stage.config.base_url.as_str().trim_end_matches('/').to_owned();
        let width = i64::from(size.pixels().0);
        Some(Self { driver, base, width, folder, _chromedriver: chromedriver })
    }

    /// Goes to a page by its address.
    pub async fn opens(&self, path: &str) {
        self.driver.goto(format!("{}{path}", self.base)).await.expect("the page loads");
        self.fits().await;
    }

    /// Presses the button or follows the link that says exactly this.
    pub async fn presses(&self, label: &str) {
        let labelled = By::XPath(format!("//*[self::a or self::button or self::summary][normalize-space(.)='{label}']"));
        self.clicks(labelled, label).await;
    }

    /// Presses what a selector finds, where there are no words to go by.
    pub async fn touches(&self, css: &str) {
        self.clicks(By::Css(css.to_owned()), css).await;
    }

    async fn clicks(&self, by: By, name: &str) {
        let target = self.driver.query(by).wait(PATIENCE, GLANCE).and_displayed().and_enabled().first().await;
        target
            .unwrap_or_else(|e| panic!("there is nothing called {name:?} to press: {e}"))
            .click()
            .await
            .unwrap_or_else(|e| panic!("{name:?} cannot be pressed: {e}"));
    }

    /// Types into a field of the page, in place of what stands there.
    pub async fn types(&self, css: &str, text: &str) {
        let field = self.field(css).await;
        field.clear().await.expect("the field can be emptied");
        field.send_keys(text).await.unwrap_or_else(|e| panic!("nothing can be typed into {css}: {e}"));
    }

    /// Chooses a file where a form asks for one.
    pub async fn chooses(&self, css: &str, file: &Path) {
        let field = self
            .driver
            .query(By::Css(css.to_owned()))
            .wait(PATIENCE, GLANCE)
            .first()
            .await
            .unwrap_or_else(|e| panic!("no {css}: {e}"));
        field.send_keys(file.to_str().expect("a path of text")).await.expect("the browser reads the file");
    }

    async fn field(&self, css: &str) -> WebElement {
        let found = self.driver.query(By::Css(css.to_owned())).wait(PATIENCE, GLANCE).and_displayed().first().await;
        found.unwrap_or_else(|e| panic!("no {css} to type into: {e}"))
    }

    /// Waits until the browser is at this path and the page is whole.
    pub async fn arrives_at(&self, path: &str) {
        let here = "return document.readyState === 'complete' ? location.pathname : ''";
        let deadline = Instant::now() + PATIENCE;
        let mut last = String::new();
        while Instant::now() < deadline {
            last = self.asks(here).await.unwrap_or_default();
            if last == path {
                return self.fits().await;
            }
            tokio::time::sleep(GLANCE).await;
        }
        panic!("still at {last}, not at {path}, which says: {}", self.words().await);
    }

    /// Waits until the page says this.
    pub async fn shows(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.words().await.contains(text) {
            assert!(Instant::now() < deadline, "the page does not say {text:?}: {}", self.words().await);
            tokio::time::sleep(GLANCE).await;
        }
        self.fits().await;
    }

    /// All that can be read on the page.
    pub async fn words(&self) -> String {
        let text: String = self.asks("return document.body ? document.body.innerText : ''").await.unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Remembers the page as it stands, to tell later whether it is still the same one.
    pub async fn marks_the_page(&self) {
        self.driver.execute("window.marked = true", vec![]).await.expect("the page takes a mark");
    }

    pub async fn is_on_the_marked_page(&self) -> bool {
        self.asks("return window.marked === true").await.unwrap_or_default()
    }

    /// What a script answers; nothing while one page gives way to the next.
    async fn asks<T: serde::de::DeserializeOwned>(&self, script: &str) -> Option<T> {
        self.driver.execute(script, vec![]).await.ok()?.convert().ok()
    }

    /// Nobody has to scroll sideways.
    async fn fits(&self) {
        let wide: i64 = self.asks("return document.documentElement.scrollWidth").await.unwrap_or_default();
        if wide > self.width {
            let script = "const edge = document.documentElement.clientWidth; return [...document.body.querySelectorAll('*')]
                .filter((e) => e.getBoundingClientRect().right > edge + 1).map((e) => `${e.tagName} ${e.className} ${e.textContent.trim().slice(0, 40)}`)";
            let guilty: Vec<String> = self.asks(script).await.unwrap_or_default();
            let page = self.driver.current_url().await.expect("an address");
            panic!("{page} is {wide} px wide in a window of {} px, because of {guilty:#?}", self.width);
        }
    }

    /// The file that arrives among the downloads, whole.
    pub async fn downloaded(&self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let files =
                std::fs::read_dir(downloads(self.folder.path())).into_iter().flatten().flatten().map(|entry| entry.path());
            let whole: Vec<PathBuf> = files.filter(|f| f.extension() == Some(OsStr::new("zip"))).collect();
            if let [file] = whole.as_slice() {
                return std::fs::read(file).expect("the download can be read");
            }
            assert!(Instant::now() < deadline, "nothing was downloaded; the page says: {}", self.words().await);
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Closes the browser, which had nothing to complain about but what the story expects.
    pub async fn closes(self, expected: &[&str]) {
        let complaints = self.driver.browser_log().await.expect("the browser keeps a log");
        let complaints = complaints.into_iter().filter(|line| !expected.iter().any(|known| line.message.contains(known)));
        let complaints: Vec<String> = complaints.map(|line| format!("{}: {}", line.level, line.message)).collect();
        self.driver.quit().await.expect("the browser closes");
        assert!(complaints.is_empty(), "the browser complains: {complaints:#?}");
    }
}

fn downloads(folder: &Path) -> PathBuf {
    folder.join("downloads")
}

fn capabilities(size: Size, folder: &Path) -> WebDriverResult<thirtyfour::ChromeCapabilities> {
    let mut chrome = DesiredCapabilities::chrome();
    if Path::new("/usr/bin/chromium").exists() {
        chrome.set_binary("/usr/bin/chromium")?;
    }
    let (width, height) = size.pixels();
    for argument in [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        // No name is looked up: a page that asks for anything from elsewhere fails here.
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        &format!("--window-size={width},{height}"),
        &format!("--user-data-dir={}", folder.join("profile").display()),
    ] {
        chrome.add_arg(argument)?;
    }
    if let Size::Phone = size {
        let metrics = json!({ "width": width, "height": height, "pixelRatio": 2.0, "touch": true, "mobile": true });
        chrome.add_experimental_option("mobileEmulation", json!({ "deviceMetrics": metrics }))?;
    }
    let preferences = json!({ "download.default_directory": downloads(folder), "download.prompt_for_download": false });
    chrome.add_experimental_option("prefs", preferences)?;
    chrome.set_browser_log_level(LoggingPrefsLogLevel::Warning)?;
    Ok(chrome)
}

/// The process between the story and the browser. It goes with the story, and takes its browser along.
struct Chromedriver {
    process: Child,
    url: String,
}

impl Chromedriver {
    fn start() -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().ok()?;
        let mut lines = BufReader::new(process.stdout.take().expect("its output is ours")).lines();
        let port = lines.find_map(|line| {
            let line = line.ok()?;
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        // What else it says is read and dropped, or it would wait for somebody to listen.
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://127.0.0.1:{}", port.expect("chromedriver says where it listens"));
        Some(Self { process, url })
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        // A story that failed leaves its browser open; it is in the group of its driver.
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.process.wait();
    }
}
