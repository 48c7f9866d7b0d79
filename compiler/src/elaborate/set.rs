//! `--set path=value`, and the keys that a file leaves out: changes of the syntax tree before anything is evaluated.

use super::constructor::{self, Constructor};
use super::data_section::{DATA_KEYS, SOURCES};
use super::sections::{TRAIN_DEFAULTS, TRAIN_KEYS, sections};
use super::training::{AVERAGES, CLIPS, LOSSES, OPTIMIZERS, SCHEDULES};
use crate::diagnostic::{Diagnostic, Sources, Span, suggestion};
use crate::syntax::ast::{Argument, Ast, Entry, Expr, ExprKind, Item, Model, Name, Parameter, Section, SectionKind};
use crate::syntax::{parse, parse_value};

type Change = Result<(), Vec<Diagnostic>>;

fn wrong(message: String, hint: Option<String>) -> Vec<Diagnostic> {
    vec![Diagnostic::placeless("E140", message).maybe_hint(hint)]
}

/// Makes one setting.
///
/// # Errors
/// A path that leads nowhere; a value that does not parse.
pub(super) fn set(sources: &mut Sources, ast: &mut Ast, path: &str, value: &str) -> Change {
    let file = sources.add(&format!("--set {path}"), value);
    let value = parse_value(sources, file)?;
    let parts: Vec<&str> = path.split('.').map(str::trim).collect();
    let key = |key: &str| if key == "optim" { "optimizer".to_string() } else { key.to_string() };
    match parts[..] {
        ["train", name] => entry(ast, SectionKind::Train, None, &key(name), value, path),
        ["train", name, argument] => inner(sources, ast, SectionKind::Train, None, &key(name), argument, value, path),
        ["model", argument] => inner(sources, ast, SectionKind::Train, None, "model", argument, value, path),
        ["data", name] => entry(ast, SectionKind::Data, None, name, value, path),
        ["data", name, argument] => inner(sources, ast, SectionKind::Data, None, name, argument, value, path),
        [train, name] if names_train(ast, train) => entry(ast, SectionKind::Train, None, &key(name), value, path),
        [train, name, argument] if names_train(ast, train) => {
            inner(sources, ast, SectionKind::Train, None, &key(name), argument, value, path)
        }
        [section, name] if has_section(ast, section) => entry(ast, SectionKind::Data, Some(section), name, value, path),
        [section, name, argument] if has_section(ast, section) => {
            inner(sources, ast, SectionKind::Data, Some(section), name, argument, value, path)
        }
        [owner, name] if parameters(ast, owner).is_some() => default(ast, owner, name, value, path),
        [name] => binding(ast, name, value, path),
        _ => Err(wrong(format!("--set {path}: nothing has that path"), Some(forms()))),
    }
}

fn forms() -> String {
    "paths look like train.batch, train.optimizer.lr, data.source, model.n, the name of a `let`, or block.parameter"
        .to_string()
}

/// The parameters of a block or model of the file.
fn parameters<'s>(ast: &'s mut Ast, owner: &str) -> Option<&'s mut Vec<Parameter>> {
    ast.items.iter_mut().find_map(|item| match item {
        Item::Block(block) if block.name.text == owner => Some(&mut block.parameters),
        Item::Model(model) if model.name.text == owner => Some(&mut model.parameters),
        _ => None,
    })
}

/// Sets the default of a parameter.
fn default(ast: &mut Ast, owner: &str, name: &str, value: Expr, path: &str) -> Change {
    let parameters = parameters(ast, owner).expect("the owner was just seen");
    if let Some(parameter) = parameters.iter_mut().find(|parameter| parameter.name.text == name) {
        parameter.default = Some(value);
        return Ok(());
    }
    let hint = suggestion(name, parameters.iter().map(|parameter| parameter.name.text.as_str()));
    Err(wrong(format!("--set {path}: `{owner}` has no parameter `{name}`"), hint))
}

fn has_name(section: &Section, name: &str) -> bool {
    section.name.as_ref().is_some_and(|known| known.text == name)
}

fn has_section(ast: &Ast, name: &str) -> bool {
    sections(ast, SectionKind::Data).into_iter().any(|section| has_name(section, name))
}

/// Whether that is the name of the train section, of which only the chosen one is left.
fn names_train(ast: &Ast, name: &str) -> bool {
    sections(ast, SectionKind::Train).into_iter().any(|section| has_name(section, name))
}

fn binding(ast: &mut Ast, name: &str, value: Expr, path: &str) -> Change {
    for item in &mut ast.items {
        if let Item::Let(binding) = item
            && binding.name.text == name
        {
            binding.value = value;
            return Ok(());
        }
    }
    let known: Vec<&str> = ast
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Let(binding) => Some(binding.name.text.as_str()),
            _ => None,
        })
        .collect();
    let hint = suggestion(name, known.iter().copied()).unwrap_or_else(forms);
    Err(wrong(format!("--set {path}: the file has no `let {name}`"), Some(hint)))
}

/// The section that a path means: `train`, the data section of a name, or the one that `train` uses.
fn section<'s>(ast: &'s mut Ast, kind: SectionKind, name: Option<&str>) -> Option<&'s mut Section> {
    let used = ast.items.iter().find_map(|item| match item {
        Item::Section(section) if section.kind == SectionKind::Train => {
            let entry = section.entries.iter().find(|entry| entry.key.text == "data")?;
            constructor::head(&entry.value).map(|(name, ..)| name.to_string())
        }
        _ => None,
    });
    let wanted = if kind == SectionKind::Data { name.map(str::to_string).or(used) } else { None };
    ast.items.iter_mut().find_map(|item| match item {
        Item::Section(section) if section.kind == kind => {
            let fits = wanted.is_none() || section.name.as_ref().map(|name| &name.text) == wanted.as_ref();
            fits.then_some(section)
        }
        _ => None,
    })
}

fn train_section(ast: &mut Ast) -> &mut Section {
    if section(ast, SectionKind::Train, None).is_none() {
        let span = super::load::beginning(ast.file);
        ast.items.push(Item::Section(Section {
            docs: Vec::new(),
            kind: SectionKind::Train,
            name: None,
            entries: Vec::new(),
            span,
        }));
    }
    section(ast, SectionKind::Train, None).expect("the section was just made")
}

fn find<'s>(
    ast: &'s mut Ast,
    kind: SectionKind,
    name: Option<&str>,
    path: &str,
) -> Result<&'s mut Section, Vec<Diagnostic>> {
    if kind == SectionKind::Train {
        return Ok(train_section(ast));
    }
    section(ast, kind, name).ok_or_else(|| wrong(format!("--set {path}: the file has no data section"), None))
}

fn check_key(kind: SectionKind, key: &str, path: &str) -> Change {
    let known = if kind == SectionKind::Train { TRAIN_KEYS } else { DATA_KEYS };
    if known.contains(&key) {
        return Ok(());
    }
    Err(wrong(format!("--set {path}: there is no key `{key}`"), suggestion(key, known.iter().copied())))
}

fn entry(ast: &mut Ast, kind: SectionKind, name: Option<&str>, key: &str, value: Expr, path: &str) -> Change {
    check_key(kind, key, path)?;
    let section = find(ast, kind, name, path)?;
    // Steps and epochs exclude each other: the newest word counts.
    let other = match key {
        "steps" => "epochs",
        "epochs" => "steps",
        _ => "",
    };
    section.entries.retain(|entry| entry.key.text != other);
    put(section, key, value);
    Ok(())
}

fn put(section: &mut Section, key: &str, value: Expr) {
    match section.entries.iter_mut().find(|entry| entry.key.text == key) {
        Some(entry) => entry.value = value,
        None => {
            let key = Name { text: key.to_string(), span: value.span };
            section.entries.push(Entry { docs: Vec::new(), key, value });
        }
    }
}

/// Sets one argument of what stands at a key.
#[allow(clippy::too_many_arguments)] // A path has that many parts.
fn inner(
    sources: &mut Sources,
    ast: &mut Ast,
    kind: SectionKind,
    name: Option<&str>,
    key: &str,
    argument: &str,
    value: Expr,
    path: &str,
) -> Change {
    check_key(kind, key, path)?;
    let default = match key {
        "model" => models(ast).next().map(|model| model.name.text.clone()),
        _ => TRAIN_DEFAULTS.iter().find(|(known, _)| *known == key).map(|(_, text)| text.to_string()),
    };
    let section = find(ast, kind, name, path)?;
    if !section.entries.iter().any(|entry| entry.key.text == key) {
        let Some(default) = default else {
            return Err(wrong(
                format!("--set {path}: `{key}` is not set in the file"),
                Some(format!("set `{key}` itself")),
            ));
        };
        let file = sources.add("a default", &default);
        put(section, key, parse_value(sources, file)?);
    }
    let entry = section.entries.iter().find(|entry| entry.key.text == key).expect("the entry was just made");
    let value_there = entry.value.clone();
    let Some((callee, known)) = signature(sources, ast, key, &value_there)? else {
        return Err(wrong(
            format!("--set {path}: `{key}` takes no arguments"),
            Some(format!("set `{key}` as a whole")),
        ));
    };
    let Some(position) = known.iter().position(|name| name == argument) else {
        let hint = suggestion(argument, known.iter().map(String::as_str));
        return Err(wrong(format!("--set {path}: `{callee}` has no parameter `{argument}`"), hint));
    };
    let section = find(ast, kind, name, path)?;
    let entry = section.entries.iter_mut().find(|entry| entry.key.text == key).expect("the entry was just made");
    let ExprKind::Call(_, arguments) = called(&mut entry.value) else { unreachable!("it was just made a call") };
    let positional = arguments
        .iter()
        .position(|given| given.name.is_none())
        .is_some_and(|_| arguments.get(position).is_some_and(|given| given.name.is_none()));
    if positional {
        arguments[position].value = value;
    } else if let Some(given) =
        arguments.iter_mut().find(|given| given.name.as_ref().is_some_and(|name| name.text == argument))
    {
        given.value = value;
    } else {
        let name = Name { text: argument.to_string(), span: value.span };
        arguments.push(Argument { name: Some(name), value });
    }
    entry.value.depth = Expr::new(entry.value.kind.clone(), entry.value.span).depth;
    Ok(())
}

/// What stands at a key, by its name and those of its parameters; `None` where that takes no arguments.
fn signature(
    sources: &mut Sources,
    ast: &Ast,
    key: &str,
    value: &Expr,
) -> Result<Option<(String, Vec<String>)>, Vec<Diagnostic>> {
    let callee = match &value.ungrouped().kind {
        ExprKind::Call(callee, _) => &callee.kind,
        other => other,
    };
    let named = |ast: &Ast, name: &str| {
        let model = models(ast).find(|model| model.name.text == name);
        model.map(|model| model.parameters.iter().map(|parameter| parameter.name.text.clone()).collect())
    };
    Ok(match callee {
        ExprKind::Name(name) if key == "model" => Some((name.clone(), named(ast, name).unwrap_or_default())),
        ExprKind::Name(name) => {
            let tables: [&'static [Constructor]; 6] = [LOSSES, OPTIMIZERS, CLIPS, AVERAGES, SCHEDULES, SOURCES];
            let found = tables.into_iter().flatten().find(|constructor| constructor.name == name);
            found.map(|found| {
                let parameters = found.parameters.iter().map(|parameter| parameter.name.to_string()).collect();
                (name.clone(), parameters)
            })
        }
        // A model of another file, which is read here for the names of its parameters. What is wrong with an import is told later.
        ExprKind::Member(object, name) if key == "model" => {
            let import = ast.items.iter().find_map(|item| match item {
                Item::Import(import) if matches!(&object.kind, ExprKind::Name(alias) if *alias == import.alias.text) => {
                    Some(import)
                }
                _ => None,
            });
            let path = import.map(|import| super::load::join(sources.name(ast.file), &import.path));
            let imported = match path.and_then(|path| sources.load(&path).ok()) {
                Some(file) => Some(parse(sources, file)?),
                None => None,
            };
            let parameters = imported.and_then(|imported| named(&imported, &name.text)).unwrap_or_default();
            Some((name.text.clone(), parameters))
        }
        _ => None,
    })
}

fn models(ast: &Ast) -> impl Iterator<Item = &Model> {
    ast.items.iter().filter_map(|item| match item {
        Item::Model(model) => Some(model),
        _ => None,
    })
}

/// Makes `name` the call `name()`.
fn called(expr: &mut Expr) -> &mut ExprKind {
    while let ExprKind::Group(inner) = &expr.kind {
        *expr = (**inner).clone();
    }
    if matches!(expr.kind, ExprKind::Name(_) | ExprKind::Member(..)) {
        *expr = Expr::new(ExprKind::Call(Box::new(expr.clone()), Vec::new()), expr.span);
    }
    &mut expr.kind
}

/// `--train name`: leaves of the train sections the one of that name; without a choice the one without a name, or the only one.
///
/// # Errors
/// When there is none of that name, or several and nothing says which.
pub(super) fn choose_train(ast: &mut Ast, name: Option<&str>) -> Change {
    let trains = sections(ast, SectionKind::Train);
    let names: Vec<&str> =
        trains.iter().filter_map(|train| train.name.as_ref()).map(|name| name.text.as_str()).collect();
    let chosen: Vec<Span> = match name {
        Some(name) => trains.iter().filter(|train| has_name(train, name)).map(|train| train.span).collect(),
        None if trains.len() == 1 => vec![trains[0].span],
        None => trains.iter().filter(|train| train.name.is_none()).map(|train| train.span).collect(),
    };
    match (&chosen[..], name) {
        ([], Some(name)) => {
            let hint = suggestion(name, names);
            return Err(wrong(format!("--train {name}: the file has no train section of that name"), hint));
        }
        ([], None) if !trains.is_empty() => {
            let first = Diagnostic::error(
                "E133",
                trains[0].span,
                "the file has several train sections, and nothing says which is meant",
            );
            let all = trains[1..].iter().fold(first.here("this one"), |all, train| all.and(train.span, "or this one"));
            return Err(vec![
                all.hint("`--train NAME` says which; the one without a name is used where nothing is said"),
            ]);
        }
        ([first, second, ..], _) => {
            let twice = Diagnostic::error("E133", *second, "two train sections of one name");
            return Err(vec![
                twice.and(*first, "the first is here").hint("`train name { .. }` gives it a name of its own"),
            ]);
        }
        _ => {}
    }
    let chosen = chosen.first().copied();
    ast.items.retain(|item| match item {
        Item::Section(section) => section.kind != SectionKind::Train || Some(section.span) == chosen,
        _ => true,
    });
    Ok(())
}

/// `--model name`: makes `train` name that model, unless it does already.
///
/// # Errors
/// When the file has no model of that name.
pub(super) fn choose(sources: &mut Sources, ast: &mut Ast, model: &str) -> Change {
    let named = train_section(ast).entries.iter().find(|entry| entry.key.text == "model");
    if named.and_then(|entry| constructor::head(&entry.value)).is_some_and(|(name, ..)| name == model) {
        return Ok(());
    }
    if !models(ast).any(|known| known.name.text == model) {
        let hint = suggestion(model, models(ast).map(|known| known.name.text.as_str()));
        return Err(wrong(format!("--model {model}: the file has no model of that name"), hint));
    }
    let file = sources.add("--model", model);
    let value = parse_value(sources, file)?;
    put(train_section(ast), "model", value);
    Ok(())
}

/// Writes out what `train` leaves to its defaults, so that the resolved text says everything.
///
/// # Errors
/// None that a user could cause.
pub(super) fn complete(sources: &mut Sources, ast: &mut Ast) -> Change {
    let data = ast.items.iter().filter_map(|item| match item {
        Item::Section(section) if section.kind == SectionKind::Data => section.name.as_ref(),
        _ => None,
    });
    let data: Vec<String> = data.map(|name| name.text.clone()).collect();
    let models: Vec<String> = models(ast).map(|model| model.name.text.clone()).collect();
    let mut defaults: Vec<(&str, String)> = TRAIN_DEFAULTS.iter().map(|(key, text)| (*key, text.to_string())).collect();
    for (key, known) in [("data", data), ("model", models)] {
        if let Ok([only]) = <[String; 1]>::try_from(known) {
            defaults.insert(0, (key, only));
        }
    }
    for (key, text) in defaults {
        let section = train_section(ast);
        let there =
            section.entries.iter().any(|entry| entry.key.text == key || (key == "epochs" && entry.key.text == "steps"));
        if !there {
            let file = sources.add("a default", &text);
            let value = parse_value(sources, file)?;
            put(train_section(ast), key, value);
        }
    }
    Ok(())
}
