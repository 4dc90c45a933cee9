//! The real display in a window of an X server without a screen, touched by xdotool and read by
//! tesseract: what a person in front of the panel does and sees.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// The window's size.
const WIDTH: usize = 800;
const HEIGHT: usize = 480;
/// The picture is read at so many times its size: tesseract wants letters 30 pixels high.
const ENLARGED: usize = 2;

/// How many readings of the screen are told when something is not on it.
const READINGS: usize = 10;

/// A display and the X server it draws on. Both end when dropped.
#[derive(Debug)]
pub struct Panel {
    display: Child,
    server: Child,
    number: String,
    folder: PathBuf,
    /// The screen as it was read last, and the words on it.
    last: RefCell<(Vec<u8>, Vec<Word>)>,
}

/// A word on the screen and its box in pixels: left, top, width, height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its letters.
    pub text: String,
    /// Where it stands.
    pub place: [i32; 4],
    line: (u32, u32, u32),
}

/// What one of the programs is missing, in words; `None` when all are there.
#[must_use]
pub fn missing() -> Option<&'static str> {
    [
        ("Xvfb", "there is no Xvfb here (apt-get install xvfb)"),
        (
            "xdotool",
            "there is no xdotool here (apt-get install xdotool)",
        ),
        (
            "tesseract",
            "there is no tesseract here (apt-get install tesseract-ocr)",
        ),
    ]
    .into_iter()
    .find(|(program, _)| {
        !std::env::var_os("PATH").is_some_and(|path| {
            std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
        })
    })
    .map(|(_, words)| words)
}

impl Panel {
    /// Opens the display of the gateway at `socket`, 800 by 480, dark, in English.
    ///
    /// # Errors
    /// A program is missing or ends.
    pub fn open(folder: &Path, socket: &Path, settings: &Path) -> anyhow::Result<Self> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-nocursor", "-nolisten", "tcp"])
            .args(["-screen", "0", "800x480x24", "-fbdir"])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("Xvfb cannot be started")?;
        let out = server.stdout.take().context("its output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let number = format!(":{}", line.trim());
        let log = std::fs::File::create(folder.join("display.log"))?;
        let display = Command::new(crate::program("wattle-display")?)
            .env("DISPLAY", &number)
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("SLINT_BACKEND")
            .arg("--socket")
            .arg(socket)
            .arg("--settings")
            .arg(settings)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .context("wattle-display cannot be started")?;
        Ok(Self {
            display,
            server,
            number,
            folder: folder.to_path_buf(),
            last: RefCell::default(),
        })
    }

    /// Touches a point.
    ///
    /// # Errors
    /// xdotool fails.
    pub fn tap(&self, x: i32, y: i32) -> anyhow::Result<()> {
        let status = Command::new("xdotool")
            .env("DISPLAY", &self.number)
            .args(["mousemove", &x.to_string(), &y.to_string(), "click", "1"])
            .status()?;
        anyhow::ensure!(status.success(), "xdotool: {status}");
        Ok(())
    }

    /// Touches the middle of a text as soon as it is on the screen.
    ///
    /// # Errors
    /// It does not come.
    pub fn tap_text(&self, text: &str) -> anyhow::Result<()> {
        let [x, y, width, height] = self.find(text)?;
        self.tap(x + width / 2, y + height / 2)
    }

    /// Waits for a text on the screen and says where it stands.
    ///
    /// # Errors
    /// It does not come; what was read instead is told.
    pub fn find(&self, text: &str) -> anyhow::Result<[i32; 4]> {
        self.until(text, |words| place(words, text))
    }

    /// Waits until what is read has an answer.
    ///
    /// # Errors
    /// It has none within three minutes; what was read is told.
    pub fn until<T>(
        &self,
        what: &str,
        mut answer: impl FnMut(&[Word]) -> Option<T>,
    ) -> anyhow::Result<T> {
        let end = Instant::now() + Duration::from_secs(180);
        let mut seen = Vec::new();
        loop {
            let words = self.read()?;
            if let Some(found) = answer(&words) {
                return Ok(found);
            }
            let read: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            let read = read.join(" ");
            if seen.last() != Some(&read) && seen.len() < READINGS {
                seen.push(read);
            }
            if Instant::now() >= end {
                let seen = seen.join("\n  ");
                anyhow::bail!("not on the screen: {what}; it said:\n  {seen}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Every word on the screen, in tesseract's order. What is on it as before is not read again.
    ///
    /// # Errors
    /// The picture cannot be taken or read.
    pub fn read(&self) -> anyhow::Result<Vec<Word>> {
        let grey = self.grey()?;
        let mut last = self.last.borrow_mut();
        if last.0 != grey {
            let words = self.recognise(&grey)?;
            *last = (grey, words);
        }
        Ok(last.1.clone())
    }

    fn recognise(&self, grey: &[u8]) -> anyhow::Result<Vec<Word>> {
        let picture = self.folder.join("screen.pgm");
        write_enlarged(&dark_on_light(grey), &picture)?;
        let output = Command::new("tesseract")
            .env("OMP_THREAD_LIMIT", "1")
            .arg(&picture)
            .args(["stdout", "--psm", "11", "-c", "tessedit_do_invert=0", "tsv"])
            .output()?;
        anyhow::ensure!(output.status.success(), "tesseract: {}", output.status);
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().skip(1).filter_map(word).collect())
    }

    /// The screen in shades of grey.
    fn grey(&self) -> anyhow::Result<Vec<u8>> {
        // X Window Dump: a header of big-endian words, a colour map of 12 bytes each, the pixels.
        let dump = std::fs::read(self.folder.join("Xvfb_screen0"))?;
        let field = |index: usize| {
            let bytes = dump.get(index * 4..index * 4 + 4)?;
            usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok()
        };
        let header = field(0).context("no header")?;
        let (width, height) = (field(4), field(5));
        anyhow::ensure!(
            (width, height) == (Some(WIDTH), Some(HEIGHT)),
            "the screen has another size"
        );
        let (stride, colours) = (field(12).context("stride")?, field(19).context("colours")?);
        let start = header + 12 * colours;
        let mut grey = Vec::with_capacity(WIDTH * HEIGHT);
        for line in 0..HEIGHT {
            let from = start + line * stride;
            let line = dump.get(from..from + 4 * WIDTH).context("a short dump")?;
            // Blue, green, red and a byte that is not used.
            grey.extend(line.chunks_exact(4).map(|pixel| {
                let sum: u16 = pixel
                    .iter()
                    .take(3)
                    .map(|channel| u16::from(*channel))
                    .sum();
                u8::try_from(sum / 3).unwrap_or(u8::MAX)
            }));
        }
        Ok(grey)
    }
}

impl Drop for Panel {
    fn drop(&mut self) {
        for child in [&mut self.display, &mut self.server] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Where words that follow each other on a line say `text`.
#[must_use]
pub fn place(words: &[Word], text: &str) -> Option<[i32; 4]> {
    let wanted: Vec<&str> = text.split_whitespace().collect();
    words.windows(wanted.len()).find_map(|run| {
        let first = run.first()?;
        let last = run.last()?;
        let same = run.iter().zip(&wanted).all(|(word, wanted)| {
            word.text.trim_matches(|c: char| c.is_ascii_punctuation()) == *wanted
        });
        let [x, y, _, height] = first.place;
        let [last_x, _, last_width, _] = last.place;
        (same && first.line == last.line).then_some([x, y, last_x + last_width - x, height])
    })
}

/// A line of tesseract's table: level, page, block, paragraph, line, word, box, confidence, text.
fn word(line: &str) -> Option<Word> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [_, _, block, paragraph, row, _, x, y, width, height, _, text] = fields.as_slice() else {
        return None;
    };
    let scale = i32::try_from(ENLARGED).ok()?;
    let pixels = |field: &str| field.parse::<i32>().ok().map(|value| value / scale);
    let text = text.trim();
    (!text.is_empty()).then_some(())?;
    Some(Word {
        text: text.to_owned(),
        place: [pixels(x)?, pixels(y)?, pixels(width)?, pixels(height)?],
        line: (
            block.parse().ok()?,
            paragraph.parse().ok()?,
            row.parse().ok()?,
        ),
    })
}

/// Dark letters on white, whatever they stand on: how far each pixel is from the shade that is most
/// frequent around it.
fn dark_on_light(grey: &[u8]) -> Vec<u8> {
    const CELL: usize = 8;
    // What lies around a cell is as wide as a few letters and as high as a line.
    const ASIDE: usize = 20;
    const BESIDE: usize = 10;
    let mut flat = vec![u8::MAX; WIDTH * HEIGHT];
    for top in (0..HEIGHT).step_by(CELL) {
        for left in (0..WIDTH).step_by(CELL) {
            let mut count = [0_u16; 256];
            let across = left.saturating_sub(ASIDE)..(left + CELL + ASIDE).min(WIDTH);
            for y in top.saturating_sub(BESIDE)..(top + CELL + BESIDE).min(HEIGHT) {
                let line = grey.get(y * WIDTH + across.start..y * WIDTH + across.end);
                for shade in line.unwrap_or_default() {
                    if let Some(count) = count.get_mut(usize::from(*shade)) {
                        *count += 1;
                    }
                }
            }
            let ground = (0..=u8::MAX)
                .zip(count)
                .max_by_key(|(_, count)| *count)
                .map_or(0, |(shade, _)| shade);
            for y in top..top + CELL {
                let line = y * WIDTH + left..y * WIDTH + left + CELL;
                let drawn = flat.get_mut(line.clone()).unwrap_or_default();
                for (flat, shade) in drawn.iter_mut().zip(grey.get(line).unwrap_or_default()) {
                    *flat = u8::MAX - shade.abs_diff(ground);
                }
            }
        }
    }
    flat
}

/// Writes shades of grey as a PGM picture, enlarged with mixed shades in between.
fn write_enlarged(grey: &[u8], file: &Path) -> anyhow::Result<()> {
    let at = |x: usize, y: usize| {
        let index = y.min(HEIGHT - 1) * WIDTH + x.min(WIDTH - 1);
        u16::from(grey.get(index).copied().unwrap_or(u8::MAX))
    };
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    writeln!(out, "P5 {} {} 255", ENLARGED * WIDTH, ENLARGED * HEIGHT)?;
    for y in 0..ENLARGED * HEIGHT {
        for x in 0..ENLARGED * WIDTH {
            let (left, top) = (x / ENLARGED, y / ENLARGED);
            let (right, below) = (left + x % ENLARGED, top + y % ENLARGED);
            let sum = at(left, top) + at(right, top) + at(left, below) + at(right, below);
            out.write_all(&[u8::try_from(sum / 4)?])?;
        }
    }
    Ok(out.flush()?)
}
