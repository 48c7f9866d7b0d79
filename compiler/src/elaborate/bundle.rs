//! A file and all that it imports, as texts that can lie side by side in one directory.

use super::load::Modules;
use super::value::Module;
use crate::syntax::ast::Item;
use crate::syntax::format;

/// What the main file is called in a bundle.
const MAIN: &str = "model.rnet";

/// Names and canonical texts, the main file first. Imported files keep their names, without directories, as far as no two are
/// alike; the paths of imports are changed to match.
pub(super) fn bundle(modules: &Modules, file_name: impl Fn(Module) -> String) -> Vec<(String, String)> {
    let mut names: Vec<(Module, String)> = vec![(Modules::MAIN, MAIN.to_string())];
    for module in modules.users().skip(1) {
        let path = file_name(module);
        let base = path.rsplit(['/', '\\']).next().unwrap_or(&path);
        let stem = base.strip_suffix(".rnet").unwrap_or(base);
        let taken = |name: &String| names.iter().any(|(_, known)| known == name);
        let candidates = (1..).map(|at| if at == 1 { format!("{stem}.rnet") } else { format!("{stem}-{at}.rnet") });
        let name = candidates.into_iter().find(|name| !taken(name)).expect("one of infinitely many names is free");
        names.push((module, name));
    }
    let name = |module: Module| &names.iter().find(|(known, _)| *known == module).expect("every module has a name").1;
    names
        .iter()
        .map(|(module, own)| {
            let mut ast = modules.ast(*module).clone();
            for item in &mut ast.items {
                if let Item::Import(import) = item
                    && let Some(imported) = modules.alias(*module, &import.alias.text)
                {
                    import.path = name(imported).clone();
                }
            }
            (own.clone(), format::format(&ast))
        })
        .collect()
}
