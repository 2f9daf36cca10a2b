/* Eight elements of the field side by side, for processors with AVX-512 IFMA: the same numbers as
   field_p.h finds, several times as fast. Compiled on every x86-64, run only where the processor has
   the instructions (`lanes_exist`). For public numbers only, as field_p.h.

   Five vectors of 64 bits hold 52 bits of each of eight elements, the lowest first. IFMA multiplies the
   low 52 bits of its operands and no others, so every function returns limbs below 2^52 and a top limb
   below 2^49: numbers below 2^257.
*/
#ifndef CLAIROBSCUR_LANES_H
#define CLAIROBSCUR_LANES_H

#include "field_p.h"

#define LANES 8

#if defined(__x86_64__)
#define HAS_LANES 1
#include <immintrin.h>

#define LANE_CODE static inline __attribute__((target("avx512f,avx512ifma"), always_inline))
#define LANE_ENTRY static __attribute__((target("avx512f,avx512ifma"), noinline))

typedef __m512i lane;

typedef struct {
    lane n[5];
} fe8;

static int lanes_exist(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512ifma");
}

#define LIMB ((1ULL << 52) - 1)
#define TOP_LIMB (LIMB >> 4)
#define FOLD_LIMBS (FOLD << 4) /* 2^260 modulo p */

LANE_CODE lane lane_of(uint64_t value) { return _mm512_set1_epi64((long long)value); }

/* From limbs below 2^62, the top one below 2^64 / 2: what it has above its 48 bits, fewer than 16
   bits, is folded first, so that carries end in it. */
LANE_CODE fe8 fe8_carry(lane r0, lane r1, lane r2, lane r3, lane r4) {
    const lane limb = lane_of(LIMB);
    r0 = _mm512_madd52lo_epu64(r0, _mm512_srli_epi64(r4, 48), lane_of(FOLD));
    r4 = _mm512_and_si512(r4, lane_of(TOP_LIMB));
    r1 = _mm512_add_epi64(r1, _mm512_srli_epi64(r0, 52));
    r2 = _mm512_add_epi64(r2, _mm512_srli_epi64(r1, 52));
    r3 = _mm512_add_epi64(r3, _mm512_srli_epi64(r2, 52));
    r4 = _mm512_add_epi64(r4, _mm512_srli_epi64(r3, 52));
    return (fe8){
        {_mm512_and_si512(r0, limb), _mm512_and_si512(r1, limb), _mm512_and_si512(r2, limb),
         _mm512_and_si512(r3, limb), r4}};
}

/* Ten columns below 2^56, of a product below 2^514, to five limbs. */
LANE_CODE fe8 fe8_reduce(lane c[10]) {
    const lane limb = lane_of(LIMB), fold = lane_of(FOLD_LIMBS);
#pragma GCC unroll 4
    for (int i = 5; i < 9; i++) {
        c[i + 1] = _mm512_add_epi64(c[i + 1], _mm512_srli_epi64(c[i], 52));
        c[i] = _mm512_and_si512(c[i], limb);
    }
    /* c[9] is below 2^47 now, and what is left above the fifth limb below 2^32. */
    lane above = _mm512_setzero_si512();
#pragma GCC unroll 5
    for (int i = 0; i < 5; i++) {
        lane *next = i < 4 ? &c[i + 1] : &above;
        c[i] = _mm512_madd52lo_epu64(c[i], c[i + 5], fold);
        *next = _mm512_madd52hi_epu64(*next, c[i + 5], fold);
    }
    c[0] = _mm512_madd52lo_epu64(c[0], above, fold);
    c[1] = _mm512_madd52hi_epu64(c[1], above, fold);
    return fe8_carry(c[0], c[1], c[2], c[3], c[4]);
}

LANE_CODE fe8 fe8_mul(fe8 a, fe8 b) {
    lane c[10];
#pragma GCC unroll 10
    for (int i = 0; i < 10; i++) c[i] = _mm512_setzero_si512();
#pragma GCC unroll 5
    for (int i = 0; i < 5; i++) {
#pragma GCC unroll 5
        for (int j = 0; j < 5; j++) {
            c[i + j] = _mm512_madd52lo_epu64(c[i + j], a.n[i], b.n[j]);
            c[i + j + 1] = _mm512_madd52hi_epu64(c[i + j + 1], a.n[i], b.n[j]);
        }
    }
    return fe8_reduce(c);
}

LANE_CODE fe8 fe8_sqr(fe8 a) {
    lane c[10];
#pragma GCC unroll 10
    for (int i = 0; i < 10; i++) c[i] = _mm512_setzero_si512();
#pragma GCC unroll 5
    for (int i = 0; i < 5; i++) {
#pragma GCC unroll 5
        for (int j = i + 1; j < 5; j++) {
            c[i + j] = _mm512_madd52lo_epu64(c[i + j], a.n[i], a.n[j]);
            c[i + j + 1] = _mm512_madd52hi_epu64(c[i + j + 1], a.n[i], a.n[j]);
        }
    }
#pragma GCC unroll 10
    for (int i = 0; i < 10; i++) c[i] = _mm512_add_epi64(c[i], c[i]);
#pragma GCC unroll 5
    for (int i = 0; i < 5; i++) {
        c[2 * i] = _mm512_madd52lo_epu64(c[2 * i], a.n[i], a.n[i]);
        c[2 * i + 1] = _mm512_madd52hi_epu64(c[2 * i + 1], a.n[i], a.n[i]);
    }
    return fe8_reduce(c);
}

/* Limb i of 4p: at least as large as any limb i that a function here returns. */
#define FOUR_P(i) lane_of(4 * ((i) == 0 ? LIMB + 1 - FOLD : (i) < 4 ? LIMB : TOP_LIMB))

LANE_CODE fe8 fe8_sub(fe8 a, fe8 b) {
    lane r[5];
#pragma GCC unroll 5
    for (int i = 0; i < 5; i++) {
        r[i] = _mm512_add_epi64(a.n[i], _mm512_sub_epi64(FOUR_P(i), b.n[i]));
    }
    return fe8_carry(r[0], r[1], r[2], r[3], r[4]);
}

/* a - b - c */
LANE_CODE fe8 fe8_sub_two(fe8 a, fe8 b, fe8 c) {
    lane r[5];
#pragma GCC unroll 5
    for (int i = 0; i < 5; i++) {
        const lane first = _mm512_sub_epi64(FOUR_P(i), b.n[i]);
        const lane second = _mm512_sub_epi64(FOUR_P(i), c.n[i]);
        r[i] = _mm512_add_epi64(a.n[i], _mm512_add_epi64(first, second));
    }
    return fe8_carry(r[0], r[1], r[2], r[3], r[4]);
}

LANE_CODE fe8 fe8_one(void) {
    const lane zero = _mm512_setzero_si512();
    return (fe8){{lane_of(1), zero, zero, zero, zero}};
}

/* -- from and to four words of 64 bits ----------------------------------------------------------- */

LANE_CODE lane lane_rows(const fe *first, const fe *second) {
    return _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)first->n)),
        _mm256_loadu_si256((const __m256i *)(const void *)second->n), 1);
}

LANE_CODE fe8 fe8_gather(const fe *const from[LANES]) {
    const lane z0 = lane_rows(from[0], from[4]), z1 = lane_rows(from[1], from[5]);
    const lane z2 = lane_rows(from[2], from[6]), z3 = lane_rows(from[3], from[7]);
    const lane low = _mm512_unpacklo_epi64(z0, z1), low2 = _mm512_unpacklo_epi64(z2, z3);
    const lane high = _mm512_unpackhi_epi64(z0, z1), high2 = _mm512_unpackhi_epi64(z2, z3);
    const lane even = _mm512_set_epi64(13, 12, 5, 4, 9, 8, 1, 0);
    const lane odd = _mm512_set_epi64(15, 14, 7, 6, 11, 10, 3, 2);
    const lane w0 = _mm512_permutex2var_epi64(low, even, low2);
    const lane w1 = _mm512_permutex2var_epi64(high, even, high2);
    const lane w2 = _mm512_permutex2var_epi64(low, odd, low2);
    const lane w3 = _mm512_permutex2var_epi64(high, odd, high2);
    const lane limb = lane_of(LIMB);
    const lane n1 = _mm512_or_si512(_mm512_srli_epi64(w0, 52), _mm512_slli_epi64(w1, 12));
    const lane n2 = _mm512_or_si512(_mm512_srli_epi64(w1, 40), _mm512_slli_epi64(w2, 24));
    const lane n3 = _mm512_or_si512(_mm512_srli_epi64(w2, 28), _mm512_slli_epi64(w3, 36));
    return (fe8){
        {_mm512_and_si512(w0, limb), _mm512_and_si512(n1, limb), _mm512_and_si512(n2, limb),
         _mm512_and_si512(n3, limb), _mm512_srli_epi64(w3, 16)}};
}

LANE_CODE void lane_to_rows(fe *first, fe *second, lane rows) {
    _mm256_storeu_si256((__m256i *)(void *)first->n, _mm512_castsi512_si256(rows));
    _mm256_storeu_si256((__m256i *)(void *)second->n, _mm512_extracti64x4_epi64(rows, 1));
}

LANE_CODE void fe8_scatter(fe *const to[LANES], fe8 a) {
    /* Below 2^257, then below 2^256 and a little. If not below 2^256, the lower limbs are so small
       that one more fold carries nothing. */
    a = fe8_carry(a.n[0], a.n[1], a.n[2], a.n[3], a.n[4]);
    a.n[0] = _mm512_madd52lo_epu64(a.n[0], _mm512_srli_epi64(a.n[4], 48), lane_of(FOLD));
    a.n[4] = _mm512_and_si512(a.n[4], lane_of(TOP_LIMB));
    const lane w0 = _mm512_or_si512(a.n[0], _mm512_slli_epi64(a.n[1], 52));
    const lane w1 = _mm512_or_si512(_mm512_srli_epi64(a.n[1], 12), _mm512_slli_epi64(a.n[2], 40));
    const lane w2 = _mm512_or_si512(_mm512_srli_epi64(a.n[2], 24), _mm512_slli_epi64(a.n[3], 28));
    const lane w3 = _mm512_or_si512(_mm512_srli_epi64(a.n[3], 36), _mm512_slli_epi64(a.n[4], 16));
    const lane low = _mm512_unpacklo_epi64(w0, w1), low2 = _mm512_unpacklo_epi64(w2, w3);
    const lane high = _mm512_unpackhi_epi64(w0, w1), high2 = _mm512_unpackhi_epi64(w2, w3);
    const lane front = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
    const lane back = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
    lane_to_rows(to[0], to[2], _mm512_permutex2var_epi64(low, front, low2));
    lane_to_rows(to[4], to[6], _mm512_permutex2var_epi64(low, back, low2));
    lane_to_rows(to[1], to[3], _mm512_permutex2var_epi64(high, front, high2));
    lane_to_rows(to[5], to[7], _mm512_permutex2var_epi64(high, back, high2));
}

LANE_CODE fe8 fe8_load(const fe from[LANES]) {
    const fe *each[LANES];
    for (int k = 0; k < LANES; k++) each[k] = &from[k];
    return fe8_gather(each);
}

LANE_CODE void fe8_store(fe to[LANES], fe8 a) {
    fe *each[LANES];
    for (int k = 0; k < LANES; k++) each[k] = &to[k];
    fe8_scatter(each, a);
}

/* -- square roots --------------------------------------------------------------------------------- */

LANE_CODE fe8 fe8_sqr_times(fe8 a, int times) {
    while (times--) a = fe8_sqr(a);
    return a;
}

/* As `fe_sqrt`, whether they are roots or not. */
LANE_ENTRY void roots_in_lanes(fe out[LANES], const fe in[LANES]) {
    const fe8 a = fe8_load(in);
    const fe8 x2 = fe8_mul(fe8_sqr(a), a), x3 = fe8_mul(fe8_sqr(x2), a);
    const fe8 x6 = fe8_mul(fe8_sqr_times(x3, 3), x3), x9 = fe8_mul(fe8_sqr_times(x6, 3), x3);
    const fe8 x11 = fe8_mul(fe8_sqr_times(x9, 2), x2);
    const fe8 x22 = fe8_mul(fe8_sqr_times(x11, 11), x11);
    const fe8 x44 = fe8_mul(fe8_sqr_times(x22, 22), x22);
    const fe8 x88 = fe8_mul(fe8_sqr_times(x44, 44), x44);
    const fe8 x176 = fe8_mul(fe8_sqr_times(x88, 88), x88);
    const fe8 x220 = fe8_mul(fe8_sqr_times(x176, 44), x44);
    const fe8 x223 = fe8_mul(fe8_sqr_times(x220, 3), x3);
    const fe8 high = fe8_mul(fe8_sqr_times(x223, 23), x22);
    fe8_store(out, fe8_sqr_times(fe8_mul(fe8_sqr_times(high, 6), x2), 2));
}

#else
#define HAS_LANES 0
static int lanes_exist(void) { return 0; }
#endif

#endif
