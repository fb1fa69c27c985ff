//! Who belongs to whom, at the least cost in all.

/// What leaving a row without a column costs: more than any match costs (they are in 0.0 ..= 1.0), less
/// than two, so that a good match is not given up to make two poor ones out of it.
const UNMATCHED: f32 = 1.0;

/// Pairs of row and column, each in at most one pair, in order of rows. `cost` says what a pair costs,
/// 0.0 ..= 1.0, or `None` where it is out of the question.
///
/// The Hungarian method by shortest augmenting paths (Jonker and Volgenant 1987). Rows and columns that
/// nothing speaks for are left out first, which is most of them.
pub(super) fn assign(
    rows: usize,
    columns: usize,
    cost: impl Fn(usize, usize) -> Option<f32>,
) -> Vec<(usize, usize)> {
    let table: Vec<Option<f32>> =
        (0..rows * columns).map(|i| cost(i / columns, i % columns).filter(|c| c.is_finite())).collect();
    let live_rows: Vec<usize> =
        (0..rows).filter(|r| table[r * columns..(r + 1) * columns].iter().any(Option::is_some)).collect();
    let live_columns: Vec<usize> =
        (0..columns).filter(|c| live_rows.iter().any(|r| table[r * columns + c].is_some())).collect();

    // One more column for every row to stay unmatched in, so that every row finds one.
    let (n, m) = (live_rows.len(), live_columns.len() + live_rows.len());
    let price = |row: usize, column: usize| match live_columns.get(column) {
        Some(column) => table[live_rows[row] * columns + column].unwrap_or(f32::INFINITY),
        None => UNMATCHED,
    };
    let mut pairs: Vec<(usize, usize)> = solve(n, m, price)
        .into_iter()
        .enumerate()
        .filter_map(|(column, row)| Some((live_rows[row?], *live_columns.get(column)?)))
        .collect();
    pairs.sort_unstable();
    pairs
}

/// The row of every column. Needs a finite price for every row in some column of its own.
fn solve(n: usize, m: usize, price: impl Fn(usize, usize) -> f32) -> Vec<Option<usize>> {
    let mut row_of: Vec<Option<usize>> = vec![None; m];
    let (mut row_potential, mut column_potential) = (vec![0.0_f32; n], vec![0.0_f32; m]);
    for start in 0..n {
        let mut distance = vec![f32::INFINITY; m];
        let mut before: Vec<Option<usize>> = vec![None; m]; // the column on the path before this one
        let mut done = vec![false; m];
        let (mut row, mut via, mut reached) = (start, None, 0.0);
        let end = loop {
            let mut next: Option<usize> = None;
            for column in 0..m {
                if done[column] {
                    continue;
                }
                let through = reached + price(row, column) - row_potential[row] - column_potential[column];
                if through < distance[column] {
                    distance[column] = through;
                    before[column] = via;
                }
                if next.is_none_or(|best| distance[column] < distance[best]) {
                    next = Some(column);
                }
            }
            let column = next.expect("there are more columns than rows");
            done[column] = true;
            (via, reached) = (Some(column), distance[column]);
            match row_of[column] {
                Some(occupant) => row = occupant,
                None => break column,
            }
        };
        row_potential[start] += reached;
        for column in (0..m).filter(|&c| done[c] && c != end) {
            let slack = reached - distance[column];
            column_potential[column] -= slack;
            if let Some(occupant) = row_of[column] {
                row_potential[occupant] += slack;
            }
        }
        let mut column = end;
        while let Some(previous) = before[column] {
            row_of[column] = row_of[previous];
            column = previous;
        }
        row_of[column] = Some(start);
    }
    row_of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_cost_in_all_wins_over_the_best_single_pair() {
        let table = [[0.1, 0.2], [0.15, 0.9]];
        assert_eq!(assign(2, 2, |r, c| Some(table[r][c])), [(0, 1), (1, 0)]);
    }

    #[test]
    fn a_good_match_is_not_given_up_for_two_poor_ones() {
        let table = [[Some(0.9), None], [Some(0.05), Some(0.9)]];
        assert_eq!(assign(2, 2, |r, c| table[r][c]), [(1, 0)]);
    }

    #[test]
    fn nothing_is_matched_with_nothing() {
        assert_eq!(assign(0, 3, |_, _| Some(0.0)), []);
        assert_eq!(assign(3, 0, |_, _| Some(0.0)), []);
        assert_eq!(assign(2, 2, |_, _| None), []);
        assert_eq!(assign(1, 1, |_, _| Some(f32::NAN)), []);
    }

    /// Against trying every assignment, on tables from a small generator.
    #[test]
    fn the_total_is_the_least_possible() {
        let mut seed = 1_u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(seed >> 8) / f64::from(1 << 24)
        };
        for _ in 0..300 {
            let (rows, columns) = (1 + (random() * 5.0) as usize, 1 + (random() * 5.0) as usize);
            let table: Vec<Option<f32>> =
                (0..rows * columns).map(|_| (random() < 0.6).then(|| random() as f32)).collect();
            let pairs = assign(rows, columns, |r, c| table[r * columns + c]);
            let paid: f32 = pairs.iter().map(|&(r, c)| table[r * columns + c].unwrap()).sum();
            let total = paid + (rows - pairs.len()) as f32 * UNMATCHED;
            let least = try_all(&table, columns, rows, 0);
            assert!((total - least).abs() < 1e-4, "{total} {least} {table:?}");
        }
    }

    fn try_all(table: &[Option<f32>], columns: usize, rows: usize, used: u32) -> f32 {
        let Some(row) = rows.checked_sub(1) else { return 0.0 };
        let mut least = UNMATCHED + try_all(table, columns, row, used);
        for column in (0..columns).filter(|c| used & (1 << c) == 0) {
            if let Some(cost) = table[row * columns + column] {
                least = least.min(cost + try_all(table, columns, row, used | 1 << column));
            }
        }
        least
    }
}
