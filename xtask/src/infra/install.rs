//! Puts programs on this machine: by apt-get if this is root, by Maven and Go into a folder of the workspace.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::process::run_logged;
use super::site::Site;

/// Whether this process may install packages and must give servers another user.
pub fn is_root() -> Result<bool> {
    Ok(fs::metadata("/proc/self").context("this needs Linux's /proc")?.uid() == 0)
}

/// Makes sure that a program is on the path.
///
/// # Errors
/// When it is missing and cannot be installed; without root, the message is the command to run.
pub fn ensure_tool(tool: &str, package: &str) -> Result<()> {
    if find_tool(tool)?.is_some() {
        return Ok(());
    }
    apt_get_install(tool, package)?;
    find_tool(tool)?.map(drop).with_context(|| format!("{package} brought no {tool}"))
}

/// Installs a Debian package, or says how.
pub fn apt_get_install(tool: &str, package: &str) -> Result<()> {
    if !is_root()? || find_tool("apt-get")?.is_none() {
        bail!("{tool} is missing: run `sudo apt-get install -y --no-install-recommends {package}`");
    }
    println!("{tool} is missing: apt-get install {package}");
    let status = Command::new("apt-get")
        .args(["install", "-y", "--no-install-recommends", package])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        // Our own standard output is for whoever called us.
        .stdout(std::io::stderr())
        .status()?;
    if !status.success() {
        bail!("apt-get install {package} failed; `apt-get update` may help");
    }
    Ok(())
}

/// Where a program is, by the shell's search.
pub fn find_tool(tool: &str) -> Result<Option<PathBuf>> {
    let output = Command::new("sh")
        .args(["-c", "command -v \"$0\"", tool])
        .stdin(Stdio::null())
        .output()
        .context("cannot run sh")?;
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success().then(|| PathBuf::from(path)))
}

/// A folder with a program of one version, built if it is not there.
///
/// It appears whole or not at all: `build` works in a draft folder that is renamed at the end. `recipe` is what it was
/// made from; when that changes, it is made again. Several data folders may ask at once, so one waits for the other.
pub fn once(
    site: &Site,
    name: &str,
    recipe: &str,
    build: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let programs = site.programs();
    let folder = programs.join(name);
    let is_made =
        || fs::read_to_string(folder.join("recipe")).is_ok_and(|made_from| made_from == recipe);
    // Before the lock, so that a user who may only read can use what another has installed.
    if is_made() {
        return Ok(folder);
    }
    fs::create_dir_all(programs)
        .with_context(|| format!("cannot create {}", programs.display()))?;
    let lock = File::create(programs.join(format!("{name}.lock")))?;
    lock.lock()?;
    if is_made() {
        return Ok(folder);
    }
    let draft = programs.join(format!("{name}.partial"));
    remove(&draft)?;
    fs::create_dir_all(&draft)?;
    println!("installing {name} into {}", folder.display());
    build(&draft).with_context(|| format!("cannot install {name}"))?;
    fs::write(draft.join("recipe"), recipe)?;
    remove(&folder)?;
    fs::rename(&draft, &folder)?;
    Ok(folder)
}

/// Removes a folder that may not be there.
pub fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// A Maven run in `folder`, quiet and without questions.
pub fn maven(folder: &Path, args: &[&str]) -> Result<()> {
    ensure_tool("mvn", "maven")?;
    let mut command = Command::new("mvn");
    command.current_dir(folder).args(["--quiet", "--batch-mode"]).args(args);
    run_logged(&mut command, &folder.join("maven.log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(folder: &Path) -> Site {
        Site::at(Some(folder)).expect("a site").with_programs(folder.join("programs"))
    }

    #[test]
    fn a_program_is_made_once_and_again_when_its_recipe_changes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let site = site(folder.path());
        let mut made = 0;
        for recipe in ["1", "1", "2"] {
            let build = |draft: &Path| {
                made += 1;
                Ok(fs::write(draft.join("program"), recipe)?)
            };
            let program = once(&site, "p", recipe, build).expect("installed").join("program");
            assert_eq!(fs::read_to_string(program).expect("it is there"), recipe);
        }
        assert_eq!(made, 2);
    }

    #[test]
    fn half_a_program_is_never_used() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let site = site(folder.path());
        once(&site, "p", "1", |_| bail!("the network is away")).expect_err("it failed");
        assert!(!site.programs().join("p").exists());
        once(&site, "p", "1", |_| Ok(())).expect("the next attempt");
    }

    #[test]
    fn the_shells_search_finds_programs() {
        assert!(find_tool("sh").expect("searched").is_some());
        assert!(find_tool("no-such-program-anywhere").expect("searched").is_none());
    }
}
