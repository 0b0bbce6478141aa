//! Who runs PostgreSQL: we ourselves, or, when we are root, an unprivileged user that gets folders of its own and must be
//! able to reach every file it is given. What it cannot reach (anything under `/root`, say) is copied or kept under
//! `/var/tmp/mywork-…`.

use super::ClusterError;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, Metadata},
    io,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The user PostgreSQL runs as: none is ourselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account(Option<Ids>);

#[derive(Clone, Copy, Debug)]
struct Ids {
    user: u32,
    group: u32,
}

impl Account {
    pub(super) fn to_run_as() -> Result<Self, ClusterError> {
        if effective_user() != 0 {
            return Ok(Self(None));
        }
        let file = Path::new("/etc/passwd");
        let accounts =
            fs::read_to_string(file).map_err(|source| ClusterError::File { path: file.to_owned(), act: "read", source })?;
        let ids = ["postgres", "nobody"].into_iter().find_map(|name| ids_of(name, &accounts));
        ids.map(|ids| Self(Some(ids))).ok_or(ClusterError::NoAccount)
    }

    /// A command run as this account, untouched by `PGDATA`, `LD_LIBRARY_PATH` and the like of our own environment.
    pub(super) fn command(self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
        command.stdin(Stdio::null());
        if let Some(ids) = self.0 {
            command.uid(ids.user).gid(ids.group);
        }
        command
    }

    /// Makes a folder that belongs to the account.
    pub(super) fn make_folder(self, folder: &Path, mode: u32) -> Result<(), ClusterError> {
        let failed = |source| match source {
            full if io::Error::kind(&full) == io::ErrorKind::StorageFull => ClusterError::DiskFull(folder.to_owned()),
            source => ClusterError::File { path: folder.to_owned(), act: "made", source },
        };
        match fs::DirBuilder::new().mode(mode).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(failed)?,
        }
        match self.0 {
            Some(ids) => chown(folder, Some(ids.user), Some(ids.group)).map_err(failed),
            None => Ok(()),
        }
    }

    /// The folder for data, made when missing; elsewhere when the account cannot reach it.
    pub(super) fn reachable_data(self, wanted: &Path) -> Result<PathBuf, ClusterError> {
        let failed = |source| ClusterError::File { path: wanted.to_owned(), act: "made", source };
        let wanted = std::path::absolute(wanted).map_err(failed)?;
        let parent = wanted.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).map_err(failed)?;
        let parent = fs::canonicalize(parent).map_err(failed)?;
        let data = match wanted.file_name() {
            Some(name) if self.reaches(&parent) => parent.join(name),
            _ => self.folder_elsewhere(&wanted)?.join("data"),
        };
        self.make_folder(&data, 0o700)?;
        Ok(data)
    }

    /// The distribution, or a copy of it when the account cannot reach it.
    pub(super) fn reachable_distribution(self, found: &Path) -> Result<PathBuf, ClusterError> {
        let program = found.join("bin/postgres");
        let resolved =
            fs::canonicalize(&program).map_err(|source| ClusterError::File { path: program.clone(), act: "found", source })?;
        if self.reaches(&resolved) {
            return Ok(found.to_owned());
        }
        let elsewhere = self.folder_elsewhere(found)?;
        let (copy, half) = (elsewhere.join("postgres"), elsewhere.join("postgres.new"));
        if stamp(&copy.join("bin/postgres")) == stamp(&program) {
            return Ok(copy);
        }
        tracing::info!(to = %copy.display(), "copying PostgreSQL to where its user can reach it");
        for outdated in [&copy, &half] {
            super::remove_quietly(outdated);
        }
        // `-p` keeps the times, by which the next start knows that the copy is current.
        for (program, arguments) in [("/bin/cp", &["-R", "-p"][..]), ("/bin/chmod", &["-R", "a+rX"][..])] {
            let mut command = Command::new(program);
            command.args(arguments).args((program == "/bin/cp").then_some(found)).arg(&half);
            let output = super::run(&mut command, &elsewhere)?;
            super::accept(&output, &elsewhere)?;
        }
        super::rename(&half, &copy)?;
        Ok(copy)
    }

    /// Whether the account may enter every folder on the way and use what is at the end.
    fn reaches(self, path: &Path) -> bool {
        let Some(ids) = self.0 else { return true };
        path.ancestors().all(|step| fs::metadata(step).is_ok_and(|found| ids.may_enter(&found)))
    }

    /// A folder under `/var/tmp` that stands for `original`. It must be ours: anybody may write there.
    fn folder_elsewhere(self, original: &Path) -> Result<PathBuf, ClusterError> {
        let owner = effective_user();
        let name = hex::encode(&Sha256::digest(original.as_os_str().as_encoded_bytes())[..8]);
        let folder = PathBuf::from(format!("/var/tmp/mywork-{owner}-{name}"));
        let failed = |act, source| ClusterError::File { path: folder.clone(), act, source };
        match fs::DirBuilder::new().mode(0o755).create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(|source| failed("made", source))?,
        }
        let found = fs::symlink_metadata(&folder).map_err(|source| failed("read", source))?;
        if !found.is_dir() || found.uid() != owner || found.mode() & 0o022 != 0 {
            return Err(failed("trusted", io::Error::other("it belongs to somebody else, or others may write to it")));
        }
        Ok(folder)
    }
}

impl Ids {
    fn may_enter(self, found: &Metadata) -> bool {
        let bit = match (found.uid() == self.user, found.gid() == self.group) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        found.mode() & bit != 0
    }
}

/// What changes when a program is replaced.
fn stamp(program: &Path) -> Option<(u64, i64)> {
    fs::metadata(program).ok().map(|found| (found.len(), found.mtime()))
}

/// Reads a line such as `nobody:x:65534:65534:…`; macOS writes nobody's ids as -2.
fn ids_of(name: &str, accounts: &str) -> Option<Ids> {
    let fields: Vec<&str> = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == name)?;
    let number = |text: &str| text.parse::<i64>().ok().and_then(|id| i32::try_from(id).ok()).map(i32::cast_unsigned);
    Some(Ids { user: number(fields.get(2)?)?, group: number(fields.get(3)?)? })
}

#[expect(unsafe_code, reason = "the standard library does not tell the effective user")]
fn effective_user() -> u32 {
    // SAFETY: geteuid takes nothing, changes nothing and cannot fail (POSIX).
    unsafe { libc::geteuid() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_on_linux_and_macos() {
        let linux = ids_of("nobody", "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533:nobody:/:/bin/false\n").unwrap();
        assert_eq!((linux.user, linux.group), (65534, 65533));
        let macos = ids_of("nobody", "# comment\nnobody:*:-2:-2:Unprivileged User:/var/empty:/usr/bin/false\n").unwrap();
        assert_eq!((macos.user, macos.group), (u32::MAX - 1, u32::MAX - 1));
        assert!(ids_of("postgres", "nobody:x:1:1::/:/bin/sh").is_none());
    }
}
