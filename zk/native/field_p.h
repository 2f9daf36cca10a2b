/* Arithmetic modulo p = 2^256 - 2^32 - 977, the field of secp256k1's coordinates.

   Four words of 64 bits, the lowest first. Any number below 2^256 stands for its residue, so zero may
   also be p; `fe_normalise` gives the one below p. Variable time: public numbers only.
*/
#ifndef CLAIROBSCUR_FIELD_P_H
#define CLAIROBSCUR_FIELD_P_H

#include <stdint.h>
#include <string.h>

#if !defined(__SIZEOF_INT128__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "needs a 64-bit little-endian machine and a compiler with unsigned __int128"
#endif

typedef unsigned __int128 u128;

#define FOLD 0x1000003D1ULL /* 2^256 modulo p */

typedef struct {
    uint64_t n[4];
} fe;

static const fe FE_ZERO = {{0, 0, 0, 0}};
static const fe FE_ONE = {{1, 0, 0, 0}};
static const fe FE_P = {{0 - FOLD, ~0ULL, ~0ULL, ~0ULL}};

/* r += word; returns the carry. */
static inline uint64_t fe_add_word(fe *r, uint64_t word) {
    u128 t = word;
    for (int i = 0; i < 4; i++) {
        t += r->n[i];
        r->n[i] = (uint64_t)t;
        t >>= 64;
    }
    return (uint64_t)t;
}

/* r -= word; returns the borrow. */
static inline uint64_t fe_sub_word(fe *r, uint64_t word) {
    for (int i = 0; i < 4; i++) {
        const u128 t = (u128)r->n[i] - word;
        r->n[i] = (uint64_t)t;
        word = (uint64_t)(t >> 64) & 1;
    }
    return word;
}

/* Eight words to four: 2^256 = FOLD. */
static inline void fe_fold(fe *r, const uint64_t w[8]) {
    u128 t = (u128)w[4] * FOLD + w[0];
    const uint64_t r0 = (uint64_t)t;
    t = (u128)w[5] * FOLD + w[1] + (uint64_t)(t >> 64);
    r->n[1] = (uint64_t)t;
    t = (u128)w[6] * FOLD + w[2] + (uint64_t)(t >> 64);
    r->n[2] = (uint64_t)t;
    t = (u128)w[7] * FOLD + w[3] + (uint64_t)(t >> 64);
    r->n[3] = (uint64_t)t;
    t = (u128)(uint64_t)(t >> 64) * FOLD + r0;
    r->n[0] = (uint64_t)t;
    t = (u128)r->n[1] + (uint64_t)(t >> 64);
    r->n[1] = (uint64_t)t;
    t = (u128)r->n[2] + (uint64_t)(t >> 64);
    r->n[2] = (uint64_t)t;
    t = (u128)r->n[3] + (uint64_t)(t >> 64);
    r->n[3] = (uint64_t)t;
    /* Over 2^256 once more: what is left is small, so that this cannot carry. */
    if (__builtin_expect((uint64_t)(t >> 64) != 0, 0)) fe_add_word(r, FOLD);
}

/* w[at .. at+4] = k * b + w[at .. at+3] */
#define FE_ROW(k, at) \
    t = (u128)(k) * b->n[0] + w[at]; \
    w[at] = (uint64_t)t; \
    t = (u128)(k) * b->n[1] + w[(at) + 1] + (uint64_t)(t >> 64); \
    w[(at) + 1] = (uint64_t)t; \
    t = (u128)(k) * b->n[2] + w[(at) + 2] + (uint64_t)(t >> 64); \
    w[(at) + 2] = (uint64_t)t; \
    t = (u128)(k) * b->n[3] + w[(at) + 3] + (uint64_t)(t >> 64); \
    w[(at) + 3] = (uint64_t)t; \
    w[(at) + 4] = (uint64_t)(t >> 64);

static inline void fe_mul(fe *r, const fe *a, const fe *b) {
    uint64_t w[8] = {0};
    u128 t;
    FE_ROW(a->n[0], 0)
    FE_ROW(a->n[1], 1)
    FE_ROW(a->n[2], 2)
    FE_ROW(a->n[3], 3)
    fe_fold(r, w);
}

static inline void fe_sqr(fe *r, const fe *a) {
    const uint64_t a0 = a->n[0], a1 = a->n[1], a2 = a->n[2], a3 = a->n[3];
    uint64_t w[8];
    /* Products of different words, then twice that, then the squares. */
    u128 t = (u128)a0 * a1;
    w[1] = (uint64_t)t;
    t = (u128)a0 * a2 + (uint64_t)(t >> 64);
    w[2] = (uint64_t)t;
    t = (u128)a0 * a3 + (uint64_t)(t >> 64);
    w[3] = (uint64_t)t;
    w[4] = (uint64_t)(t >> 64);
    t = (u128)a1 * a2 + w[3];
    w[3] = (uint64_t)t;
    t = (u128)a1 * a3 + w[4] + (uint64_t)(t >> 64);
    w[4] = (uint64_t)t;
    t = (u128)a2 * a3 + (uint64_t)(t >> 64);
    w[5] = (uint64_t)t;
    w[6] = (uint64_t)(t >> 64);
    w[7] = w[6] >> 63;
    w[6] = w[6] << 1 | w[5] >> 63;
    w[5] = w[5] << 1 | w[4] >> 63;
    w[4] = w[4] << 1 | w[3] >> 63;
    w[3] = w[3] << 1 | w[2] >> 63;
    w[2] = w[2] << 1 | w[1] >> 63;
    w[1] = w[1] << 1;
    t = (u128)a0 * a0;
    w[0] = (uint64_t)t;
    t = (t >> 64) + w[1];
    w[1] = (uint64_t)t;
    t = (u128)a1 * a1 + w[2] + (uint64_t)(t >> 64);
    w[2] = (uint64_t)t;
    t = (t >> 64) + w[3];
    w[3] = (uint64_t)t;
    t = (u128)a2 * a2 + w[4] + (uint64_t)(t >> 64);
    w[4] = (uint64_t)t;
    t = (t >> 64) + w[5];
    w[5] = (uint64_t)t;
    t = (u128)a3 * a3 + w[6] + (uint64_t)(t >> 64);
    w[6] = (uint64_t)t;
    w[7] += (uint64_t)(t >> 64);
    fe_fold(r, w);
}

#if defined(__x86_64__)
#include <x86intrin.h>
typedef unsigned long long word;
#define ADD_WITH_CARRY(carry, a, b, out) carry = _addcarry_u64(carry, a, b, out)
#define SUB_WITH_BORROW(borrow, a, b, out) borrow = _subborrow_u64(borrow, a, b, out)
#else
typedef uint64_t word;
#define ADD_WITH_CARRY(carry, a, b, out) \
    do { \
        const u128 sum = (u128)(a) + (b) + (carry); \
        *(out) = (word)sum; \
        carry = (unsigned char)(sum >> 64); \
    } while (0)
#define SUB_WITH_BORROW(borrow, a, b, out) \
    do { \
        const u128 difference = (u128)(a) - (b) - (borrow); \
        *(out) = (word)difference; \
        borrow = (unsigned char)(difference >> 64) & 1; \
    } while (0)
#endif

/* A carry is as likely as not, and a branch on it would often be mispredicted. A second carry is
   rare. */
static inline void fe_add(fe *r, const fe *a, const fe *b) {
    word w0, w1, w2, w3;
    unsigned char carry = 0;
    ADD_WITH_CARRY(carry, a->n[0], b->n[0], &w0);
    ADD_WITH_CARRY(carry, a->n[1], b->n[1], &w1);
    ADD_WITH_CARRY(carry, a->n[2], b->n[2], &w2);
    ADD_WITH_CARRY(carry, a->n[3], b->n[3], &w3);
    const word fold = FOLD & (0 - (word)carry);
    carry = 0;
    ADD_WITH_CARRY(carry, w0, fold, &w0);
    ADD_WITH_CARRY(carry, w1, 0, &w1);
    ADD_WITH_CARRY(carry, w2, 0, &w2);
    ADD_WITH_CARRY(carry, w3, 0, &w3);
    *r = (fe){{w0, w1, w2, w3}};
    if (__builtin_expect(carry, 0)) fe_add_word(r, FOLD);
}

static inline void fe_sub(fe *r, const fe *a, const fe *b) {
    word w0, w1, w2, w3;
    unsigned char borrow = 0;
    SUB_WITH_BORROW(borrow, a->n[0], b->n[0], &w0);
    SUB_WITH_BORROW(borrow, a->n[1], b->n[1], &w1);
    SUB_WITH_BORROW(borrow, a->n[2], b->n[2], &w2);
    SUB_WITH_BORROW(borrow, a->n[3], b->n[3], &w3);
    const word fold = FOLD & (0 - (word)borrow);
    borrow = 0;
    SUB_WITH_BORROW(borrow, w0, fold, &w0);
    SUB_WITH_BORROW(borrow, w1, 0, &w1);
    SUB_WITH_BORROW(borrow, w2, 0, &w2);
    SUB_WITH_BORROW(borrow, w3, 0, &w3);
    *r = (fe){{w0, w1, w2, w3}};
    if (__builtin_expect(borrow, 0)) fe_sub_word(r, FOLD);
}

static inline void fe_neg(fe *r, const fe *a) { fe_sub(r, &FE_ZERO, a); }

static inline int fe_is_zero(const fe *a) {
    if ((a->n[0] | a->n[1] | a->n[2] | a->n[3]) == 0) return 1;
    return (a->n[1] & a->n[2] & a->n[3]) == ~0ULL && a->n[0] == FE_P.n[0];
}

/* The one representative below p. */
static inline void fe_normalise(fe *r) {
    if ((r->n[1] & r->n[2] & r->n[3]) == ~0ULL && r->n[0] >= FE_P.n[0]) fe_add_word(r, FOLD);
}

static inline int fe_is_odd(const fe *a) {
    fe t = *a;
    fe_normalise(&t);
    return (int)(t.n[0] & 1);
}

/* 32 bytes of four little-endian words, as libsecp256k1 keeps a coordinate. */
static inline void fe_load(fe *r, const unsigned char *in) { memcpy(r->n, in, sizeof r->n); }

static inline void fe_store(unsigned char *out, const fe *a) {
    fe t = *a;
    fe_normalise(&t);
    memcpy(out, t.n, sizeof t.n);
}

static void fe_sqr_times(fe *r, const fe *a, int times) {
    *r = *a;
    while (times--) fe_sqr(r, r);
}

/* Runs of ones in an exponent: ones[k] is a^(2^k - 1), for the k that both exponents below need. */
typedef struct {
    fe x2, x3, x22, x223;
} fe_runs;

static void fe_make_runs(fe_runs *runs, const fe *a) {
    fe t, x6, x9, x11, x44, x88, x176, x220;
    fe_sqr_times(&t, a, 1);
    fe_mul(&runs->x2, &t, a);
    fe_sqr_times(&t, &runs->x2, 1);
    fe_mul(&runs->x3, &t, a);
    fe_sqr_times(&t, &runs->x3, 3);
    fe_mul(&x6, &t, &runs->x3);
    fe_sqr_times(&t, &x6, 3);
    fe_mul(&x9, &t, &runs->x3);
    fe_sqr_times(&t, &x9, 2);
    fe_mul(&x11, &t, &runs->x2);
    fe_sqr_times(&t, &x11, 11);
    fe_mul(&runs->x22, &t, &x11);
    fe_sqr_times(&t, &runs->x22, 22);
    fe_mul(&x44, &t, &runs->x22);
    fe_sqr_times(&t, &x44, 44);
    fe_mul(&x88, &t, &x44);
    fe_sqr_times(&t, &x88, 88);
    fe_mul(&x176, &t, &x88);
    fe_sqr_times(&t, &x176, 44);
    fe_mul(&x220, &t, &x44);
    fe_sqr_times(&t, &x220, 3);
    fe_mul(&runs->x223, &t, &runs->x3);
}

/* a^(p-2): p-2 is 223 ones, a zero, 22 ones, 0000101101 in binary. */
static void fe_inverse(fe *r, const fe *a) {
    fe_runs runs;
    fe t;
    fe_make_runs(&runs, a);
    fe_sqr_times(&t, &runs.x223, 23);
    fe_mul(&t, &t, &runs.x22);
    fe_sqr_times(&t, &t, 5);
    fe_mul(&t, &t, a);
    fe_sqr_times(&t, &t, 3);
    fe_mul(&t, &t, &runs.x2);
    fe_sqr_times(&t, &t, 2);
    fe_mul(r, &t, a);
}

/* a^((p+1)/4), whose square is a if anything's is; returns whether it is. The exponent is 223 ones,
   a zero, 22 ones, 000011 in binary, shifted by two. */
static int fe_sqrt(fe *r, const fe *a) {
    fe_runs runs;
    fe t, check;
    fe_make_runs(&runs, a);
    fe_sqr_times(&t, &runs.x223, 23);
    fe_mul(&t, &t, &runs.x22);
    fe_sqr_times(&t, &t, 6);
    fe_mul(&t, &t, &runs.x2);
    fe_sqr_times(r, &t, 2);
    fe_sqr(&check, r);
    fe_sub(&check, &check, a);
    return fe_is_zero(&check);
}

#endif
