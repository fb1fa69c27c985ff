use super::*;

/// Numbers that look random and are the same every time (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn noise(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }

    /// A length from 1 to `most`, most often a short one.
    fn side(&mut self, most: u64) -> u32 {
        let most = 1 + self.below(most);
        1 + self.below(most) as u32
    }

    /// Two edges within `side`: whole, halved as chroma's are, or anywhere.
    fn edges(&mut self, side: u32) -> (f64, f64) {
        let steps = [1, 2, 1000][self.below(3) as usize];
        let end = u64::from(side) * steps;
        let first = self.below(end);
        let length = 1 + self.below(end - first);
        (first as f64 / steps as f64, length as f64 / steps as f64)
    }
}

/// The samples that count for a drawn one, by how much: `INTER_AREA` and linear interpolation written down
/// anew.
fn exact(drawn: u32, count: u32, side: u32, (start, length): (f64, f64), grow: bool) -> Vec<(usize, f64)> {
    let span = length / f64::from(count);
    let left = start + f64::from(drawn) * span;
    let (first, last) = (start.floor() as usize, (start + length).ceil().min(f64::from(side)) as usize - 1);
    if grow {
        let middle = (left + span / 2.0 - 0.5).clamp(first as f64, last as f64);
        let before = middle.floor() as usize;
        let part = middle - before as f64;
        return vec![(before, 1.0 - part), ((before + 1).min(last), part)];
    }
    (first..=last)
        .map(|at| {
            let over = (left + span).min((at + 1) as f64) - left.max(at as f64);
            (at, over.max(0.0) / span)
        })
        .filter(|(_, part)| *part > 0.0)
        .collect()
}

/// Resizes and compares with the exact value, rounded: the greatest difference, how many differ, of how many.
fn compare(
    plane: &mut Plane,
    from: &[u8],
    size: (u32, u32),
    window: Window,
    grow: [bool; 2],
    to_size: (u32, u32),
) -> (u8, usize, usize) {
    let mut to = vec![7; 5];
    plane.resize(from, size, window, grow, to_size, &mut to);
    assert_eq!(to.len(), to_size.0 as usize * to_size.1 as usize);
    let columns: Vec<_> =
        (0..to_size.0).map(|x| exact(x, to_size.0, size.0, (window.left, window.width), grow[0])).collect();
    let (mut worst, mut differ) = (0, 0);
    for (y, row) in to.chunks_exact(to_size.0 as usize).enumerate() {
        let rows = exact(y as u32, to_size.1, size.1, (window.top, window.height), grow[1]);
        for (got, columns) in row.iter().zip(&columns) {
            let mut wanted = 0.0;
            for (y, part) in &rows {
                let row = &from[y * size.0 as usize..];
                wanted += part * columns.iter().map(|(x, part)| part * f64::from(row[*x])).sum::<f64>();
            }
            // What lies in the middle is rounded up, whatever floating point makes of it.
            let off = got.abs_diff((wanted + 1e-9).round() as u8);
            worst = worst.max(off);
            differ += usize::from(off > 0);
        }
    }
    (worst, differ, to.len())
}

#[test]
fn any_window_and_size_is_within_one_of_the_exact_value() {
    let mut dice = Dice(0x5eed);
    let mut plane = Plane::default();
    let (mut differ, mut all) = (0, 0);
    for _ in 0..4000 {
        let size = (dice.side(150), dice.side(60));
        let from = dice.noise(size.0 as usize * size.1 as usize);
        let ((left, width), (top, height)) = (dice.edges(size.0), dice.edges(size.1));
        let window = Window { left, top, width, height };
        let to_size = (dice.side(150), dice.side(60));
        // An axis that draws more samples than there are may count as shrinking: chroma, where luma does.
        let grow = [(to_size.0, width), (to_size.1, height)]
            .map(|(drawn, length)| f64::from(drawn) > length && dice.below(4) > 0);
        let (off, differing, count) = compare(&mut plane, &from, size, window, grow, to_size);
        assert!(off <= 1, "{off}: {window:?} of {size:?} to {to_size:?}, {grow:?}");
        differ += differing;
        all += count;
    }
    assert!(differ * 50 < all, "{differ} of {all}");
}

#[test]
fn long_rows_and_columns_are_no_less_exact() {
    let mut dice = Dice(1);
    let mut plane = Plane::default();
    for (size, to_size) in [
        ((8192, 3), (5, 2)),
        ((8192, 20), (8191, 20)),
        ((3, 8192), (2, 7)),
        ((8192, 2), (1, 1)),
        ((17, 33), (8192, 1)),
        ((1, 1), (1, 8192)),
        ((1920, 1080), (2, 3)),
    ] {
        let from = dice.noise(size.0 as usize * size.1 as usize);
        let window = Window { left: 0.0, top: 0.0, width: f64::from(size.0), height: f64::from(size.1) };
        let grow = [to_size.0 > size.0, to_size.1 > size.1];
        let (off, ..) = compare(&mut plane, &from, size, window, grow, to_size);
        assert!(off <= 1, "{off}: {size:?} to {to_size:?}");
    }
}

#[test]
fn one_value_stays_that_value() {
    let mut plane = Plane::default();
    let mut to = Vec::new();
    for (size, to_size) in [((37, 29), (16, 50)), ((40, 20), (40, 7)), ((300, 200), (3, 2)), ((5, 5), (9, 9))]
    {
        let window =
            Window { left: 0.3, top: 1.0, width: f64::from(size.0) - 0.3, height: f64::from(size.1) - 1.5 };
        for value in 0..=255 {
            let from = vec![value; size.0 as usize * size.1 as usize];
            for grow in [[false; 2], [to_size.0 > size.0, to_size.1 > size.1]] {
                plane.resize(&from, size, window, grow, to_size, &mut to);
                assert!(to.iter().all(|sample| *sample == value), "{value}: {size:?} to {to_size:?}");
            }
        }
    }
}

#[test]
fn a_neighbour_of_the_window_does_not_shine_in() {
    let mut plane = Plane::default();
    let mut to = Vec::new();
    // White but for columns 2 to 5 and rows 1 to 3, which the window touches.
    let from: Vec<u8> = (0..80)
        .map(|at| if (2..6).contains(&(at % 10)) && (1..4).contains(&(at / 10)) { 9 } else { 255 })
        .collect();
    let window = Window { left: 2.5, top: 1.0, width: 3.25, height: 2.75 };
    for to_size in [(2, 1), (3, 2), (20, 30), (2, 30), (20, 1)] {
        let grow = [to_size.0 > 4, to_size.1 > 3];
        plane.resize(&from, (10, 8), window, grow, to_size, &mut to);
        assert!(to.iter().all(|sample| *sample == 9), "{to_size:?}: {to:?}");
    }
}

#[test]
fn a_plane_of_its_own_size_is_itself() {
    let from = Dice(3).noise(77 * 41);
    let mut to = Vec::new();
    let window = Window { left: 0.0, top: 0.0, width: 77.0, height: 41.0 };
    for grow in [[false; 2], [true; 2]] {
        Plane::default().resize(&from, (77, 41), window, grow, (77, 41), &mut to);
        assert_eq!(to, from);
    }
}
