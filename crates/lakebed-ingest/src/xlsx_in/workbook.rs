//! What a workbook says of itself: its sheets, its formats, where its texts are.

use std::path::Path;

use quick_xml::events::{BytesStart, Event};

use super::{
    Fault,
    cells::Rows,
    serial::Shows,
    strings::Strings,
    xml::{Xml, attribute},
    zip::Archive,
};
use crate::Progress;

/// The most of anything that a workbook lists.
const MOST: usize = 100_000;

/// A workbook that is open.
#[derive(Debug)]
pub(super) struct Workbook {
    archive: Archive,
    pub(super) sheets: Vec<SheetPart>,
    pub(super) since_1904: bool,
    /// What numbers in each cell format are.
    pub(super) formats: Vec<Shows>,
    strings: Option<String>,
}

/// A sheet of cells.
#[derive(Debug, Clone)]
pub(super) struct SheetPart {
    pub(super) name: String,
    pub(super) part: String,
    pub(super) hidden: bool,
}

/// What an archive is.
pub(super) enum Kind {
    Workbook(Workbook),
    /// A workbook of another kind than `.xlsx`.
    Other(&'static str),
    /// No workbook.
    Archive,
}

impl Workbook {
    pub(super) fn open(path: &Path) -> Result<Kind, Fault> {
        let archive = Archive::open(path)?;
        if archive.has("content.xml") && archive.has("mimetype") {
            return Ok(Kind::Other("an OpenDocument file"));
        }
        if !archive.has("_rels/.rels") {
            return Ok(Kind::Archive);
        }
        let roots = relations(&archive, "")?;
        let Some(root) = roots.into_iter().find(|relation| relation.kind == "officeDocument")
        else {
            return Ok(Kind::Archive);
        };
        if root.target.ends_with(".bin") {
            return Ok(Kind::Other("a binary Excel workbook (.xlsb)"));
        }
        Self::of(archive, &root.target)
    }

    fn of(archive: Archive, root: &str) -> Result<Kind, Fault> {
        let Some(listed) = Listed::read(Xml::new(archive.read(root, None)?))? else {
            return Ok(Kind::Archive);
        };
        let relations = relations(&archive, root)?;
        let of_kind = |kind: &str| {
            relations.iter().find(|relation| relation.kind == kind).map(|r| r.target.clone())
        };
        let formats = match of_kind("styles") {
            Some(part) => formats(Xml::new(archive.read(&part, None)?))?,
            None => Vec::new(),
        };
        let strings = of_kind("sharedStrings");
        let mut sheets = Vec::new();
        for (name, id, hidden) in listed.sheets {
            let relation = relations.iter().find(|relation| relation.id == id);
            let relation = relation
                .ok_or_else(|| Fault::damaged(format!("the sheet `{name}` is nowhere in it")))?;
            if relation.kind == "worksheet" {
                sheets.push(SheetPart { name, part: relation.target.clone(), hidden });
            }
        }
        Ok(Kind::Workbook(Self {
            archive,
            sheets,
            since_1904: listed.since_1904,
            formats,
            strings,
        }))
    }

    pub(super) fn strings(&self) -> Result<Strings, Fault> {
        match &self.strings {
            Some(part) => Strings::read(Xml::new(self.archive.read(part, None)?)),
            None => Ok(Strings::default()),
        }
    }

    pub(super) fn rows<'p>(
        &self,
        part: &str,
        progress: Option<&'p dyn Progress>,
    ) -> Result<Rows<'p>, Fault> {
        Ok(Rows::new(Xml::new(self.archive.read(part, progress)?)))
    }
}

/// What the root part lists.
#[derive(Default)]
struct Listed {
    /// Name, relation and whether it is hidden.
    sheets: Vec<(String, String, bool)>,
    since_1904: bool,
}

impl Listed {
    /// None if the part is no workbook.
    fn read(mut xml: Xml<'_>) -> Result<Option<Self>, Fault> {
        let (mut listed, mut is_workbook) = (Self::default(), false);
        loop {
            let event = xml.next()?;
            let element = match &event {
                Event::Start(element) | Event::Empty(element) => element,
                Event::Eof => return Ok(is_workbook.then_some(listed)),
                _ => continue,
            };
            match element.local_name().as_ref() {
                b"workbook" => is_workbook = true,
                _ if !is_workbook => return Ok(None),
                b"workbookPr" => {
                    let value = attribute(element, "date1904")?;
                    listed.since_1904 = value.is_some_and(|value| value == "1" || value == "true");
                }
                b"sheet" => listed.sheets.push(sheet(element)?),
                _ => {}
            }
            check_count(listed.sheets.len())?;
        }
    }
}

fn sheet(element: &BytesStart<'_>) -> Result<(String, String, bool), Fault> {
    let missing = || Fault::damaged("a sheet has no name");
    let name = attribute(element, "name")?.ok_or_else(missing)?;
    let id = attribute(element, "id")?.ok_or_else(missing)?;
    let state = attribute(element, "state")?;
    Ok((name, id, state.is_some_and(|state| state != "visible")))
}

fn check_count(count: usize) -> Result<(), Fault> {
    match count > MOST {
        true => Err(Fault::too_large("it lists more than 100,000 of a kind")),
        false => Ok(()),
    }
}

struct Relation {
    id: String,
    /// The last word of its type.
    kind: String,
    /// The part it leads to, by its path from the root.
    target: String,
}

/// Where the relations of a part lead; of the archive itself for `""`.
fn relations(archive: &Archive, part: &str) -> Result<Vec<Relation>, Fault> {
    let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
    let name = format!("{folder}/_rels/{file}.rels");
    let mut relations = Vec::new();
    if !archive.has(&name) {
        return Ok(relations);
    }
    let mut xml = Xml::new(archive.read(&name, None)?);
    loop {
        let event = xml.next()?;
        let element = match &event {
            Event::Start(element) | Event::Empty(element) => element,
            Event::Eof => return Ok(relations),
            _ => continue,
        };
        let parts =
            (attribute(element, "Id")?, attribute(element, "Type")?, attribute(element, "Target")?);
        if let (Some(id), Some(kind), Some(target)) = parts {
            let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
            relations.push(Relation { id, kind, target: joined(folder, &target) });
        }
        check_count(relations.len())?;
    }
}

/// A path within the archive. What would lead out of it ends at its root.
fn joined(folder: &str, target: &str) -> String {
    let target = target.replace('\\', "/");
    let base = if target.starts_with('/') { "" } else { folder };
    let mut path: Vec<&str> = Vec::new();
    for step in base.split('/').chain(target.split('/')) {
        match step {
            "" | "." => {}
            ".." => drop(path.pop()),
            step => path.push(step),
        }
    }
    path.join("/")
}

/// What numbers in each cell format are.
fn formats(mut xml: Xml<'_>) -> Result<Vec<Shows>, Fault> {
    let (mut codes, mut formats, mut in_cells): (Vec<(u32, Shows)>, Vec<Shows>, bool) =
        (Vec::new(), Vec::new(), false);
    loop {
        let event = xml.next()?;
        match &event {
            Event::Eof => return Ok(formats),
            Event::Start(element) if element.local_name().as_ref() == b"cellXfs" => in_cells = true,
            Event::End(element) if element.local_name().as_ref() == b"cellXfs" => in_cells = false,
            Event::Start(element) | Event::Empty(element) => match element.local_name().as_ref() {
                b"numFmt" => {
                    let id = number(element, "numFmtId")?;
                    let code = attribute(element, "formatCode")?.unwrap_or_default();
                    codes.push((id, Shows::of_code(&code)));
                }
                b"xf" if in_cells => {
                    let id = number(element, "numFmtId")?;
                    let code = codes.iter().find(|(other, _)| *other == id);
                    formats.push(code.map_or_else(|| Shows::of_number(id), |(_, shows)| *shows));
                }
                _ => {}
            },
            _ => {}
        }
        // A workbook has 65,490 cell formats and 250 codes at most; both are multiplied here.
        if codes.len() > 5_000 || formats.len() > MOST {
            return Err(Fault::too_large("it has too many formats"));
        }
    }
}

fn number(element: &BytesStart<'_>, name: &str) -> Result<u32, Fault> {
    Ok(attribute(element, name)?.and_then(|value| value.parse().ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_within_the_archive() {
        assert_eq!(joined("xl", "worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(joined("xl", "/xl/styles.xml"), "xl/styles.xml");
        assert_eq!(joined("xl", "..\\..\\etc/passwd"), "etc/passwd");
        assert_eq!(joined("", "xl/./workbook.xml"), "xl/workbook.xml");
    }
}
