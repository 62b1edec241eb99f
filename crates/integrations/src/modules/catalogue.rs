//! The modules that this installation knows: those that come with Gna and a user's own.

use gna_domain::connect::Module;
use gna_domain::connect::inbox::HookApps;
use gna_domain::connect::module::Webhook;
use std::collections::BTreeMap;
use std::path::Path;

use super::load::{LoadError, load_over};
use super::shipped::SHIPPED;

/// Largest file, in bytes.
const MAX_FILE: u64 = 262_144;

/// A module and the file that it is from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    pub module: Module,
    pub file: String,
    pub shipped: bool,
}

/// All modules by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue(BTreeMap<String, Loaded>);

impl Catalogue {
    /// Those that come with Gna, and a user's own from the folder `own`. A file there takes the place
    /// of a built-in module of its name only where it says `replaces = true`.
    ///
    /// # Errors
    /// The first thing that is wrong with a user's module, with its file, line and key.
    pub fn new(own: Option<&Path>) -> Result<Self, LoadError> {
        let shipped = Self::shipped()?;
        match own {
            None => Ok(shipped),
            Some(folder) => merge(shipped, load_dir(folder)?),
        }
    }

    /// Those that come with Gna.
    ///
    /// # Errors
    /// None in a released build; the tests load them all.
    pub fn shipped() -> Result<Self, LoadError> {
        let mut all = BTreeMap::new();
        for (file, text) in SHIPPED {
            let module = load_over(file, text, shipped_text)?;
            all.insert(
                module.name.to_string(),
                Loaded {
                    module,
                    file: (*file).to_owned(),
                    shipped: true,
                },
            );
        }
        Ok(Self(all))
    }

    /// In the order of names.
    pub fn all(&self) -> impl Iterator<Item = &Loaded> {
        self.0.values()
    }

    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Loaded> {
        self.0.get(name)
    }
}

impl HookApps for Catalogue {
    fn webhook(&self, app: &str) -> Option<Webhook> {
        self.by_name(app)?.module.webhook.clone()
    }
}

/// The text of a built-in module.
#[must_use]
pub fn shipped_text(name: &str) -> Option<&'static str> {
    SHIPPED
        .iter()
        .find(|(file, _)| file.strip_suffix(".toml") == Some(name))
        .map(|(_, text)| *text)
}

/// The modules in a folder: every `*.toml` in it, in the order of names.
///
/// # Errors
/// The first thing that is wrong with any of them.
pub fn load_dir(folder: &Path) -> Result<Vec<Loaded>, LoadError> {
    let failed = |path: &Path, message: String| LoadError {
        file: path.display().to_string(),
        line: None,
        key: None,
        message,
    };
    let entries = std::fs::read_dir(folder).map_err(|error| {
        failed(
            folder,
            format!(
                "the folder of modules can't be read ({error}); create it or unset modules.dir"
            ),
        )
    })?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| failed(folder, error.to_string()))?
            .path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            paths.push(path);
        }
    }
    paths.sort();
    let mut modules: Vec<Loaded> = Vec::new();
    for path in paths {
        let size = std::fs::metadata(&path)
            .map_err(|error| failed(&path, error.to_string()))?
            .len();
        if size > MAX_FILE {
            return Err(failed(
                &path,
                format!("larger than {MAX_FILE} bytes; a module is a short file"),
            ));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|error| failed(&path, format!("can't be read: {error}")))?;
        let file = path.display().to_string();
        let module = load_over(&file, &text, shipped_text)?;
        if let Some(other) = modules
            .iter()
            .find(|other| other.module.name == module.name)
        {
            return Err(LoadError {
                file,
                line: None,
                key: Some("name".to_owned()),
                message: format!(
                    "the name {:?} is taken by {}; give one of them another name",
                    module.name, other.file
                ),
            });
        }
        modules.push(Loaded {
            module,
            file,
            shipped: false,
        });
    }
    Ok(modules)
}

/// Puts a user's modules over the built-in ones.
///
/// # Errors
/// A user's module has the name of a built-in one and does not say `replaces = true`, or says so and
/// there is none.
pub fn merge(below: Catalogue, own: Vec<Loaded>) -> Result<Catalogue, LoadError> {
    let mut all = below.0;
    for loaded in own {
        let name = loaded.module.name.to_string();
        let problem = match (all.contains_key(&name), loaded.module.replaces) {
            (true, false) => format!(
                "{name:?} is the name of a built-in module; choose another name, or write replaces = true"
            ),
            (false, true) => {
                format!("there is no built-in module {name:?} to replace; remove replaces = true")
            }
            _ => {
                all.insert(name, loaded);
                continue;
            }
        };
        return Err(LoadError {
            file: loaded.file,
            line: None,
            key: Some("name".to_owned()),
            message: problem,
        });
    }
    Ok(Catalogue(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "docs = ['https://a.example']\n[display]\nlabel = 'Own'\ndescription = 'Own.'\ncategory = 'finance'\ndetails_url = 'https://a.example'\n\
        [urls]\napi = 'https://a.example'\n[auth.none]\n[identity]\nexternal_id = '{connection.name}'\ndisplay_name = 'Own'\n[[connection]]\nname = 'name'\ntitle = 'Name'\n";

    #[test]
    fn every_built_in_module_loads_and_is_listed() {
        let mut names = Vec::new();
        for (file, text) in SHIPPED {
            let module =
                load_over(file, text, shipped_text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(
                *file,
                format!("{}.toml", module.name),
                "a file is named as its module"
            );
            assert!(!module.replaces, "{file}");
            names.push(module.name.clone());
        }
        assert!(
            names.is_sorted_by(|a, b| a < b),
            "in the order of names, none twice: {names:?}"
        );
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules");
        let files = std::fs::read_dir(folder).unwrap().flatten();
        let toml = files
            .filter(|file| file.path().extension().is_some_and(|end| end == "toml"))
            .count();
        assert_eq!(toml, SHIPPED.len(), "every file in modules/ is listed");
    }

    #[test]
    fn a_folder_extends_and_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, more: &str| {
            std::fs::write(folder.path().join(file), format!("{more}\n{OWN}")).unwrap()
        };
        let count = Catalogue::shipped().unwrap().all().count();
        write("acme.toml", "name = 'acme'");
        write("github.toml", "name = 'github'\nreplaces = true");
        std::fs::write(folder.path().join("notes.txt"), "no module").unwrap();
        let own = || Catalogue::new(Some(folder.path()));
        let all = own().unwrap();
        assert_eq!(all.all().count(), count + 1);
        assert_eq!(
            all.by_name("github")
                .map(|loaded| (loaded.module.display.label.as_str(), loaded.shipped)),
            Some(("Own", false))
        );
        for (file, more, part) in [
            ("github.toml", "name = 'github'", "replaces = true"),
            (
                "github.toml",
                "name = 'none'\nreplaces = true",
                "no built-in module",
            ),
            ("github.toml", "name = 'acme'", "acme.toml"),
            (
                "github.toml",
                "name = 'x'\nextends = 'nothing'",
                "no built-in module",
            ),
            ("github.toml", "name = 'x'\nnames = 1", "names"),
        ] {
            write(file, more);
            let error = own().expect_err(more);
            assert!(
                error.file.ends_with(file) && error.message.contains(part),
                "{error}"
            );
        }
        std::fs::write(folder.path().join("github.toml"), "#".repeat(300_000)).unwrap();
        assert!(own().unwrap_err().message.contains("larger"));
        assert!(
            Catalogue::new(Some(&folder.path().join("none")))
                .unwrap_err()
                .message
                .contains("modules.dir")
        );
    }
}
