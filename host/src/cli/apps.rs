//! The apps of a command line, each with its part of what the command line says.

use std::path::{Path, PathBuf};

use crate::base::{Error, Result};
use crate::manifest::{App, Outline, Overrides};

/// Reads the apps at `paths`. Of several, an override `APP.NAME` is for the app of that name, and a bare `NAME`
/// for every app that has such an item.
///
/// # Errors
/// As [`App::load`]; two apps of one name; an override no app has a use for.
pub(super) fn load(paths: &[PathBuf], deploy: Option<&Path>, overrides: &Overrides) -> Result<Vec<App>> {
    if let [path] = paths {
        return Ok(vec![App::load(path, deploy, overrides)?]);
    }
    if deploy.is_some() {
        return Err(Error::usage(
            "`--deploy` is for one app; where several run, each takes the `deploy.toml` beside its `app.toml`",
        ));
    }
    let outlines: Vec<Outline> = paths.iter().map(|path| Outline::read(path)).collect::<Result<_>>()?;
    for (index, outline) in outlines.iter().enumerate() {
        if outlines[..index].iter().any(|other| other.name == outline.name) {
            let name = &outline.name;
            return Err(Error::usage(format!(
                "two apps are called `{name}`; a name is an app's alone on a box"
            )));
        }
    }
    let (flags, models) = (&overrides, &overrides.models);
    let cameras = share(&outlines, "--camera", &flags.cameras, |outline| &outline.cameras)?;
    let params = share(&outlines, "--param", &flags.params, |outline| &outline.params)?;
    let models = share(&outlines, "--model", models, |outline| &outline.models)?;
    let each = paths.iter().zip(cameras).zip(params).zip(models);
    each.map(|(((path, cameras), params), models)| {
        App::load(
            path,
            None,
            &Overrides { cameras, params, models, events: overrides.events.clone(), to_look_at: false },
        )
    })
    .collect()
}

/// What of `given` is for which app.
fn share<T: Clone>(
    outlines: &[Outline],
    flag: &str,
    given: &[(String, T)],
    items: impl Fn(&Outline) -> &[String],
) -> Result<Vec<Vec<(String, T)>>> {
    let mut shares = vec![Vec::new(); outlines.len()];
    for (name, value) in given {
        let (app, item) = match name.split_once('.') {
            Some((app, item)) => (Some(app), item),
            None => (None, name.as_str()),
        };
        let mut has_use = false;
        for (outline, share) in outlines.iter().zip(&mut shares) {
            // One that was named for an app goes there also where that has no such item: it says what it has.
            let is_meant =
                app.map_or_else(|| items(outline).iter().any(|has| has == item), |app| app == outline.name);
            if is_meant {
                share.push((item.to_owned(), value.clone()));
                has_use = true;
            }
        }
        if !has_use {
            let names = outlines.iter().map(|outline| outline.name.as_str()).collect::<Vec<_>>().join("`, `");
            return Err(Error::usage(format!(
                "{flag} {name}: none of the apps has that; they are `{names}`"
            )));
        }
    }
    Ok(shares)
}
