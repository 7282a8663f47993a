/** Repeats a piece of source for rows 0..3 and both vectors of a block: 8 sums that stay in registers. */
const rows = (piece) => [0, 1, 2, 3].map(piece).join("\n");
const sums = (piece) => rows((row) => ["a", "b"].map((side) => piece(`$${side}${row}`)).join("\n"));

/**
 * The inner loops of decoding as WebAssembly text; `kernels.js` says what they compute. All counts of floats are
 * multiples of 4, of `dense` of 8. Addresses are in bytes.
 */
export const KERNEL_SOURCE = `
(func $dense (param $weights i32) (param $pointers i32) (param $columns i32) (param $out i32) (param $stride i32)
             (param $blocks i32) (param $n i32) (param $mode i32)
  (local $i i32) (local $end i32) (local $b i32) (local $w i32) (local $k i32) (local $stop i32) (local $x i32)
  (local $target i32) (local $u v128) (local $v v128) (local $s v128) (local $low v128) (local $high v128)
  ${sums((a) => `(local ${a} v128)`)}
  (local.set $end (i32.shl (local.get $n) (i32.const 2)))
  (local.set $stop (i32.add (local.get $pointers) (i32.shl (local.get $columns) (i32.const 2))))
  (local.set $high (f32x4.splat (f32.const 2047)))
  (if (i32.eq (local.get $mode) (i32.const 3)) (then (local.set $low (f32x4.splat (f32.const -2047)))))
  (loop $positions
    (local.set $w (local.get $weights))
    (local.set $b (i32.const 0))
    (local.set $target (i32.add (local.get $out) (local.get $i)))
    (loop $rows
      ${rows((row) => `
      (local.set $a${row} (v128.load32_splat offset=${4 * row} (local.get $w)))
      (local.set $b${row} (local.get $a${row}))`)}
      (local.set $w (i32.add (local.get $w) (i32.const 16)))
      (local.set $k (local.get $pointers))
      (loop $inputs
        (local.set $x (i32.add (i32.load (local.get $k)) (local.get $i)))
        (local.set $u (v128.load (local.get $x)))
        (local.set $v (v128.load offset=16 (local.get $x)))
        ${rows((row) => `
        (local.set $s (v128.load32_splat offset=${4 * row} (local.get $w)))
        (local.set $a${row} (f32x4.add (local.get $a${row}) (f32x4.mul (local.get $s) (local.get $u))))
        (local.set $b${row} (f32x4.add (local.get $b${row}) (f32x4.mul (local.get $s) (local.get $v))))`)}
        (local.set $w (i32.add (local.get $w) (i32.const 16)))
        (local.set $k (i32.add (local.get $k) (i32.const 4)))
        (br_if $inputs (i32.lt_u (local.get $k) (local.get $stop))))
      (if (i32.eq (local.get $mode) (i32.const 1)) (then
        ${sums((a) => `(local.set ${a} (f32x4.max (local.get ${a}) (local.get $low)))`)}))
      (if (i32.and (local.get $mode) (i32.const 2)) (then
        (local.set $s (f32x4.splat (f32.const 0.00390625)))
        ${sums((a) => `
        (local.set ${a} (f32x4.min (f32x4.max (f32x4.floor (f32x4.mul (local.get ${a}) (local.get $s)))
                                              (local.get $low)) (local.get $high)))`)}))
      ${rows((row) => `
      (v128.store (local.get $target) (local.get $a${row}))
      (v128.store offset=16 (local.get $target) (local.get $b${row}))
      (local.set $target (i32.add (local.get $target) (local.get $stride)))`)}
      (local.set $b (i32.add (local.get $b) (i32.const 1)))
      (br_if $rows (i32.lt_u (local.get $b) (local.get $blocks))))
    (local.set $i (i32.add (local.get $i) (i32.const 32)))
    (br_if $positions (i32.lt_u (local.get $i) (local.get $end)))))

;; x = factors (period z) + phase, in place of z; then its sine: k is x over pi, rounded, and what remains of x is
;; found by subtracting k pi in four parts, whose products with k are exact.
(func $sines (param $z i32) (param $factors i32) (param $n i32) (param $period f32) (param $phase f32)
  (local $i i32) (local $x v128) (local $k v128) (local $square v128) (local $p v128)
  (loop $positions
    (local.set $x (f32x4.add (f32x4.splat (local.get $phase)) (f32x4.mul
      (v128.load (i32.add (local.get $factors) (local.get $i)))
      (f32x4.mul (f32x4.splat (local.get $period)) (v128.load (i32.add (local.get $z) (local.get $i)))))))
    (local.set $k (f32x4.nearest (f32x4.mul (local.get $x) (f32x4.splat (f32.const 0.3183098861837907)))))
    (local.set $x (f32x4.sub (local.get $x) (f32x4.mul (local.get $k) (f32x4.splat (f32.const 3.140625)))))
    (local.set $x (f32x4.sub (local.get $x)
      (f32x4.mul (local.get $k) (f32x4.splat (f32.const 0.0009670257568359375)))))
    (local.set $x (f32x4.sub (local.get $x)
      (f32x4.mul (local.get $k) (f32x4.splat (f32.const 6.2771141529083251953e-7)))))
    (local.set $x (f32x4.sub (local.get $x)
      (f32x4.mul (local.get $k) (f32x4.splat (f32.const 1.2154201256553420762e-10)))))
    (local.set $square (f32x4.mul (local.get $x) (local.get $x)))
    (local.set $p (f32x4.splat (f32.const 2.6083159809786593541503e-6)))
    ${[-0.0001981069071916863322258, 0.00833307858556509017944336, -0.166666597127914428710938].map((c) => `
    (local.set $p (f32x4.add (f32x4.splat (f32.const ${c})) (f32x4.mul (local.get $p) (local.get $square))))`).join("")}
    (local.set $x (f32x4.add (local.get $x)
      (f32x4.mul (local.get $x) (f32x4.mul (local.get $p) (local.get $square)))))
    (v128.store (i32.add (local.get $z) (local.get $i))
      (v128.xor (local.get $x) (i32x4.shl (i32x4.trunc_sat_f32x4_s (local.get $k)) (i32.const 31))))
    (local.set $i (i32.add (local.get $i) (i32.const 16)))
    (br_if $positions (i32.lt_u (local.get $i) (i32.shl (local.get $n) (i32.const 2))))))

(func $filter (param $x i32) (param $out i32) (param $n i32) (param $taps i32) (param $nTaps i32) (param $step i32)
  (local $i i32) (local $from i32) (local $t i32) (local $stop i32) (local $sum v128)
  (local.set $stop (i32.add (local.get $taps) (i32.shl (local.get $nTaps) (i32.const 2))))
  (loop $positions
    (local.set $sum (f32x4.splat (f32.const 0)))
    (local.set $from (i32.add (local.get $x) (local.get $i)))
    (local.set $t (local.get $taps))
    (loop $taps
      (local.set $sum (f32x4.add (local.get $sum)
        (f32x4.mul (v128.load32_splat (local.get $t)) (v128.load (local.get $from)))))
      (local.set $from (i32.add (local.get $from) (local.get $step)))
      (local.set $t (i32.add (local.get $t) (i32.const 4)))
      (br_if $taps (i32.lt_u (local.get $t) (local.get $stop))))
    (v128.store (i32.add (local.get $out) (local.get $i)) (local.get $sum))
    (local.set $i (i32.add (local.get $i) (i32.const 16)))
    (br_if $positions (i32.lt_u (local.get $i) (i32.shl (local.get $n) (i32.const 2))))))

(func $shift (param $x i32) (param $out i32) (param $n i32) (param $value f32)
  (local $i i32) (local $v v128)
  (local.set $v (f32x4.splat (local.get $value)))
  (loop $positions
    (v128.store (i32.add (local.get $out) (local.get $i))
      (f32x4.add (local.get $v) (v128.load (i32.add (local.get $x) (local.get $i)))))
    (local.set $i (i32.add (local.get $i) (i32.const 16)))
    (br_if $positions (i32.lt_u (local.get $i) (i32.shl (local.get $n) (i32.const 2))))))
`;
