//! Draws the screens into memory, without a display server: for screenshots, tests and measuring.

use crate::generated::{App, Tokens};
use slint::platform::software_renderer::{MinimalSoftwareWindow, RepaintBufferType};
use slint::platform::{Platform, PlatformError, WindowAdapter, WindowEvent};
use slint::{ComponentHandle, PhysicalSize, Rgb8Pixel, SharedPixelBuffer};
use std::cell::{Cell, RefCell};
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// A screen in memory. A process has at most one, and it must be made before the [`App`].
pub struct Screen {
    window: Rc<MinimalSoftwareWindow>,
    buffer: RefCell<SharedPixelBuffer<Rgb8Pixel>>,
    buffer_type: Cell<RepaintBufferType>,
    /// Nothing of what is shown is in the buffer yet.
    fresh: Cell<bool>,
}

/// What one drawing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Pixels that were drawn anew.
    pub dirty: u64,
    /// Pixels of the screen.
    pub all: u64,
}

struct Memory(Rc<MinimalSoftwareWindow>);

impl Platform for Memory {
    fn create_window_adapter(&self) -> Result<Rc<dyn WindowAdapter>, PlatformError> {
        Ok(self.0.clone())
    }

    /// Time stands still: however slow the machine, no screen falls asleep while it is drawn.
    fn duration_since_start(&self) -> Duration {
        Duration::ZERO
    }
}

impl Screen {
    /// Makes this process draw into memory.
    ///
    /// # Errors
    /// When the process draws somewhere already.
    pub fn new() -> Result<Self, PlatformError> {
        let window = MinimalSoftwareWindow::new(RepaintBufferType::ReusedBuffer);
        slint::platform::set_platform(Box::new(Memory(window.clone())))
            .map_err(|error| PlatformError::Other(error.to_string()))?;
        Ok(Self {
            window,
            buffer: RefCell::new(SharedPixelBuffer::new(0, 0)),
            buffer_type: Cell::new(RepaintBufferType::ReusedBuffer),
            fresh: Cell::new(true),
        })
    }

    /// Sets the size in physical pixels and how many of them make a logical one, and shows `app`.
    ///
    /// # Errors
    /// When the window cannot be shown.
    pub fn show(
        &self,
        app: &App,
        width: u32,
        height: u32,
        scale: f32,
    ) -> Result<(), PlatformError> {
        self.window.dispatch_event(WindowEvent::ScaleFactorChanged {
            scale_factor: scale,
        });
        self.window.set_size(PhysicalSize::new(width, height));
        *self.buffer.borrow_mut() = SharedPixelBuffer::new(width, height);
        app.global::<Tokens>()
            .set_large(height as f32 / scale >= 560.0);
        app.show()?;
        self.fresh.set(true);
        Ok(())
    }

    /// Draws what changed since the last time; all of it after [`Self::show`]. `None` when nothing
    /// did.
    pub fn draw(&self) -> Option<Drawn> {
        slint::platform::update_timers_and_animations();
        if self.fresh.take() {
            let drawn = self.draw_whole();
            self.settle();
            return drawn;
        }
        self.render()
    }

    /// Draws all of it, whether it changed or not. Call [`Self::settle`] before the next
    /// [`Self::draw`].
    pub fn draw_whole(&self) -> Option<Drawn> {
        self.buffer_type.set(RepaintBufferType::NewBuffer);
        self.window.request_redraw();
        self.render()
    }

    /// Lets the renderer learn what is in the buffer, so that it draws only what changes.
    pub fn settle(&self) {
        self.buffer_type.set(RepaintBufferType::ReusedBuffer);
        self.window.request_redraw();
        self.render();
    }

    fn render(&self) -> Option<Drawn> {
        let mut drawn = None;
        self.window.draw_if_needed(|renderer| {
            renderer.set_repaint_buffer_type(self.buffer_type.get());
            let mut buffer = self.buffer.borrow_mut();
            let width = buffer.width();
            let all = u64::from(width) * u64::from(buffer.height());
            let region = renderer.render(buffer.make_mut_slice(), width as usize);
            let dirty = region
                .iter()
                .map(|(_, size)| u64::from(size.width) * u64::from(size.height))
                .sum();
            drawn = Some(Drawn { dirty, all });
        });
        drawn
    }

    /// The pixels as they are now.
    #[must_use]
    pub fn picture(&self) -> SharedPixelBuffer<Rgb8Pixel> {
        self.buffer.borrow().clone()
    }
}

/// Writes a picture as a PNG file.
///
/// # Errors
/// When the file cannot be written.
pub fn write_png(picture: &SharedPixelBuffer<Rgb8Pixel>, path: &Path) -> io::Result<()> {
    write(picture, path, png::Compression::High)
}

/// The same, sooner done and larger.
///
/// # Errors
/// When the file cannot be written.
pub fn write_png_fast(picture: &SharedPixelBuffer<Rgb8Pixel>, path: &Path) -> io::Result<()> {
    write(picture, path, png::Compression::Fast)
}

fn write(
    picture: &SharedPixelBuffer<Rgb8Pixel>,
    path: &Path,
    compression: png::Compression,
) -> io::Result<()> {
    let file = io::BufWriter::new(std::fs::File::create(path)?);
    let mut encoder = png::Encoder::new(file, picture.width(), picture.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(compression);
    encoder.set_filter(png::Filter::NoFilter);
    let bytes: Vec<u8> = picture
        .as_slice()
        .iter()
        .flat_map(|pixel| [pixel.r, pixel.g, pixel.b])
        .collect();
    let mut writer = encoder.write_header().map_err(io::Error::from)?;
    writer.write_image_data(&bytes).map_err(io::Error::from)?;
    writer.finish().map_err(io::Error::from)
}
