//! Workbooks for tests, written part by part.

/// A zip archive of parts, stored or deflated.
pub(crate) fn archive(parts: &[(&str, Vec<u8>)]) -> Vec<u8> {
    use std::io::Write as _;
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in parts {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let mut deflated =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        deflated.write_all(content).expect("memory");
        let deflated = deflated.finish().expect("memory");
        let offset = file.len() as u32;
        let mut common = Vec::new();
        for word in [20_u16, 0, 8, 0, 0] {
            common.extend(word.to_le_bytes());
        }
        for long in [crc.sum(), deflated.len() as u32, content.len() as u32] {
            common.extend(long.to_le_bytes());
        }
        common.extend((name.len() as u16).to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(name.as_bytes());
        file.extend(&deflated);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = file.len() as u32;
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    for word in [parts.len() as u16; 2] {
        file.extend(word.to_le_bytes());
    }
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0, 0]);
    file
}

/// A workbook under construction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    /// Name, attributes and rows (the inside of `sheetData`) of each sheet.
    pub(crate) sheets: Vec<(String, String, String)>,
    pub(crate) strings: Vec<String>,
    /// The codes of formats 1, 2 …; format 0 is none.
    pub(crate) formats: Vec<String>,
    pub(crate) since_1904: bool,
}

impl Book {
    pub(crate) fn of(rows: &str) -> Self {
        let sheets = vec![("Data".to_owned(), String::new(), rows.to_owned())];
        Self { sheets, ..Self::default() }
    }

    pub(crate) fn parts(&self) -> Vec<(&'static str, Vec<u8>)> {
        const PARTS: [&str; 4] = [
            "xl/worksheets/sheet1.xml",
            "xl/worksheets/sheet2.xml",
            "xl/worksheets/sheet3.xml",
            "xl/worksheets/sheet4.xml",
        ];
        let relation = |id: &str, kind: &str, target: &str| {
            format!(r#"<Relationship Id="{id}" Type="http://schemas/{kind}" Target="{target}"/>"#)
        };
        let list = |inner: &str| format!("<Relationships>{inner}</Relationships>");
        let mut listed = String::new();
        let mut relations = relation("styles", "styles", "styles.xml")
            + &relation("strings", "sharedStrings", "/xl/sharedStrings.xml");
        let mut parts = Vec::new();
        for (index, (name, attributes, rows)) in self.sheets.iter().enumerate() {
            listed += &format!(
                r#"<sheet name="{name}" sheetId="{index}" r:id="s{index}" {attributes}/>"#
            );
            let target = PARTS[index].trim_start_matches("xl/");
            relations += &relation(&format!("s{index}"), "worksheet", target);
            let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
            parts.push((PARTS[index], sheet.into_bytes()));
        }
        let strings: String =
            self.strings.iter().map(|text| format!("<si><t>{text}</t></si>")).collect();
        let codes = self.formats.iter().enumerate();
        let (mut formats, mut cells) = (String::new(), r#"<xf numFmtId="0"/>"#.to_owned());
        for (index, code) in codes {
            formats += &format!(r#"<numFmt numFmtId="{}" formatCode="{code}"/>"#, 200 + index);
            cells += &format!(r#"<xf numFmtId="{}"/>"#, 200 + index);
        }
        let since = if self.since_1904 { "1" } else { "0" };
        let book = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><workbook><workbookPr date1904="{since}"/><sheets>{listed}</sheets></workbook>"#
        );
        let styles = format!(
            r#"<styleSheet><numFmts>{formats}</numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs>{cells}</cellXfs></styleSheet>"#
        );
        parts.extend([
            ("_rels/.rels", list(&relation("r", "officeDocument", "xl/workbook.xml")).into_bytes()),
            ("xl/_rels/workbook.xml.rels", list(&relations).into_bytes()),
            ("xl/workbook.xml", book.into_bytes()),
            ("xl/styles.xml", styles.into_bytes()),
            ("xl/sharedStrings.xml", format!("<sst>{strings}</sst>").into_bytes()),
        ]);
        parts
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        archive(&self.parts())
    }
}
