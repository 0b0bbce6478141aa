//! Colours that go together: two for the ground, two that shine, and the shades of dark surfaces that all palettes share.

/// Red, green, blue.
pub(crate) type Colour = [u8; 3];

/// A set of colours.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    pub(crate) from: Colour,
    pub(crate) to: Colour,
    pub(crate) glow: Colour,
    pub(crate) accent: Colour,
    pub(crate) second: Colour,
}

/// Surfaces of windows, from the deepest up, as on the pages around the pictures.
pub(crate) const DEEP: Colour = [11, 15, 25];
pub(crate) const SURFACE: Colour = [17, 24, 39];
pub(crate) const RAISED: Colour = [31, 41, 55];
pub(crate) const EDGE: Colour = [55, 65, 81];
pub(crate) const MUTED: Colour = [100, 112, 132];
pub(crate) const TEXT: Colour = [209, 213, 219];
pub(crate) const GREEN: Colour = [52, 211, 153];
pub(crate) const YELLOW: Colour = [251, 191, 36];
pub(crate) const RED: Colour = [248, 113, 113];
pub(crate) const BLUE: Colour = [96, 165, 250];
pub(crate) const VIOLET: Colour = [167, 139, 250];

const ALL: [Palette; 12] = [
    of([49, 46, 129], [88, 28, 135], [129, 140, 248], [129, 140, 248], [232, 121, 249]),
    of([12, 74, 110], [17, 94, 89], [45, 212, 191], [56, 189, 248], [94, 234, 212]),
    of([131, 24, 67], [124, 45, 18], [251, 113, 133], [251, 113, 133], [253, 186, 116]),
    of([6, 78, 59], [22, 78, 99], [52, 211, 153], [52, 211, 153], [125, 211, 252]),
    of([30, 58, 138], [67, 56, 202], [96, 165, 250], [96, 165, 250], [196, 181, 253]),
    of([120, 53, 15], [113, 63, 18], [251, 191, 36], [251, 191, 36], [252, 211, 77]),
    of([76, 29, 149], [30, 64, 175], [167, 139, 250], [167, 139, 250], [103, 232, 249]),
    of([15, 118, 110], [6, 95, 70], [45, 212, 191], [94, 234, 212], [190, 242, 100]),
    of([136, 19, 55], [88, 28, 135], [244, 114, 182], [244, 114, 182], [196, 181, 253]),
    of([30, 41, 59], [51, 65, 85], [148, 163, 184], [125, 211, 252], [203, 213, 225]),
    of([154, 52, 18], [127, 29, 29], [251, 146, 60], [251, 146, 60], [253, 224, 71]),
    of([22, 78, 99], [49, 46, 129], [34, 211, 238], [34, 211, 238], [165, 180, 252]),
];

const fn of(from: Colour, to: Colour, glow: Colour, accent: Colour, second: Colour) -> Palette {
    Palette { from, to, glow, accent, second }
}

impl Palette {
    /// One of twelve; numbers go round.
    pub fn number(n: usize) -> Self {
        ALL[n % ALL.len()]
    }
}

/// A colour between two.
pub(crate) fn mix(a: Colour, b: Colour, part: f32) -> Colour {
    let part = part.clamp(0.0, 1.0);
    std::array::from_fn(|i| (f32::from(a[i]) + (f32::from(b[i]) - f32::from(a[i])) * part).round() as u8)
}
