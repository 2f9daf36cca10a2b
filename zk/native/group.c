/* Sums of multiples of points of secp256k1, for verifiers.

   VARIABLE TIME, FOR PUBLIC NUMBERS ONLY: branches, addresses and lengths depend on scalars and points.
   A verifier's are public. Nothing secret may come here; zk/backends/native.py keeps to that.

   A point is 64 bytes, x and y of four little-endian 64-bit words each, below p: the form of
   libsecp256k1's secp256k1_pubkey on such machines, which is checked when the backend is loaded. The
   identity is the empty byte string. A scalar is 32 bytes, little-endian, below the group order q.

   Methods: Strauss with the curve's endomorphism for few points (Gallant, Lambert, Vanstone, CRYPTO
   2001; Solinas' non-adjacent forms), buckets for many (Pippenger; Bernstein et al., ePrint 2012/549,
   section 4) with affine additions that share inversions (Montgomery's trick). A fixed point comes with
   its multiples by 2^(8j), so that digits of every place meet in the same buckets.
*/
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>

#include "field_p.h"
#include "lanes.h"

typedef struct {
    fe x, y;
} affine;

typedef struct {
    fe x, y, z;
    int is_identity;
} jacobian;

#define POINT_BYTES 64
#define SCALAR_BYTES 32
#define ENCODED_BYTES 33
#define FIXED_WIDTH 8
#define FIXED_MULTIPLES 33 /* digits of 8 bits and a carry */
#define FIXED_BUCKETS 128
#define HALF_BITS 129
#define NAF_WIDTH 5
#define NAF_TABLE 8 /* P, 3P, ... 15P */
#define NAF_DIGITS ((HALF_BITS + 1 + NAF_WIDTH - 1) / NAF_WIDTH) /* at most, that are not zero */
#define FEW_BUCKETS ((size_t)FIXED_BUCKETS + HALF_BITS + 1) /* by digit, and by place */
#define MAX_TERMS (1 << 24)

/* -- points ------------------------------------------------------------------------------------ */

static void affine_load(affine *r, const unsigned char *in) {
    fe_load(&r->x, in);
    fe_load(&r->y, in + 32);
}

static void affine_store(unsigned char *out, const affine *a) {
    fe_store(out, &a->x);
    fe_store(out + 32, &a->y);
}

static void jacobian_of(jacobian *r, const affine *a) {
    r->x = a->x;
    r->y = a->y;
    r->z = FE_ONE;
    r->is_identity = 0;
}

/* dbl-2009-l of the Explicit-Formulas Database, a = 0. No point of secp256k1 has order 2. */
static void jacobian_double(jacobian *r, const jacobian *p) {
    if (p->is_identity) {
        r->is_identity = 1;
        return;
    }
    fe a, b, c, d, e, f, t;
    fe_sqr(&a, &p->x);
    fe_sqr(&b, &p->y);
    fe_sqr(&c, &b);
    fe_add(&t, &p->x, &b);
    fe_sqr(&t, &t);
    fe_sub(&t, &t, &a);
    fe_sub(&t, &t, &c);
    fe_add(&d, &t, &t);
    fe_add(&e, &a, &a);
    fe_add(&e, &e, &a);
    fe_sqr(&f, &e);
    fe_mul(&r->z, &p->y, &p->z);
    fe_add(&r->z, &r->z, &r->z);
    fe_sub(&f, &f, &d);
    fe_sub(&f, &f, &d);
    r->x = f;
    fe_sub(&t, &d, &f);
    fe_mul(&t, &e, &t);
    fe_add(&c, &c, &c);
    fe_add(&c, &c, &c);
    fe_add(&c, &c, &c);
    fe_sub(&t, &t, &c);
    r->y = t;
    r->is_identity = 0;
}

/* After H = u2 - u1 and R = s2 - s1 for points of equal Z: shared end of both additions. */
static void jacobian_end(
    jacobian *r, const fe *u1, const fe *s1, const fe *h, const fe *slope, const fe *z) {
    fe hh, hhh, v, t;
    fe_sqr(&hh, h);
    fe_mul(&hhh, &hh, h);
    fe_mul(&v, u1, &hh);
    fe_sqr(&t, slope);
    fe_sub(&t, &t, &hhh);
    fe_sub(&t, &t, &v);
    fe_sub(&t, &t, &v);
    fe_mul(&r->z, z, h);
    r->x = t;
    fe_sub(&t, &v, &t);
    fe_mul(&t, &t, slope);
    fe_mul(&hhh, &hhh, s1);
    fe_sub(&t, &t, &hhh);
    r->y = t;
    r->is_identity = 0;
}

static void jacobian_add_affine(jacobian *r, const jacobian *p, const affine *q) {
    if (p->is_identity) {
        jacobian_of(r, q);
        return;
    }
    fe zz, u2, s2, h, slope;
    fe_sqr(&zz, &p->z);
    fe_mul(&u2, &q->x, &zz);
    fe_mul(&s2, &q->y, &p->z);
    fe_mul(&s2, &s2, &zz);
    fe_sub(&h, &u2, &p->x);
    fe_sub(&slope, &s2, &p->y);
    if (fe_is_zero(&h)) {
        if (fe_is_zero(&slope)) {
            jacobian_double(r, p);
        } else {
            r->is_identity = 1;
        }
        return;
    }
    fe u1 = p->x, s1 = p->y, z = p->z;
    jacobian_end(r, &u1, &s1, &h, &slope, &z);
}

static void jacobian_add(jacobian *r, const jacobian *p, const jacobian *q) {
    if (p->is_identity) {
        *r = *q;
        return;
    }
    if (q->is_identity) {
        *r = *p;
        return;
    }
    fe z1z1, z2z2, u1, u2, s1, s2, h, slope, z;
    fe_sqr(&z1z1, &p->z);
    fe_sqr(&z2z2, &q->z);
    fe_mul(&u1, &p->x, &z2z2);
    fe_mul(&u2, &q->x, &z1z1);
    fe_mul(&s1, &p->y, &q->z);
    fe_mul(&s1, &s1, &z2z2);
    fe_mul(&s2, &q->y, &p->z);
    fe_mul(&s2, &s2, &z1z1);
    fe_sub(&h, &u2, &u1);
    fe_sub(&slope, &s2, &s1);
    if (fe_is_zero(&h)) {
        if (fe_is_zero(&slope)) {
            jacobian_double(r, p);
        } else {
            r->is_identity = 1;
        }
        return;
    }
    fe_mul(&z, &p->z, &q->z);
    jacobian_end(r, &u1, &s1, &h, &slope, &z);
}

/* Affine forms of ``count`` points, none the identity, with one inversion. ``scratch``: as many. */
static void to_affine(affine *out, const jacobian *in, size_t count, fe *scratch) {
    if (!count) return;
    fe product = in[0].z, inverse, zi, zz;
    for (size_t i = 0; i < count; i++) {
        scratch[i] = product; /* of z_0 ... z_i */
        if (i + 1 < count) fe_mul(&product, &product, &in[i + 1].z);
    }
    fe_inverse(&inverse, &product);
    for (size_t i = count; i-- > 0;) {
        if (i) {
            fe_mul(&zi, &inverse, &scratch[i - 1]);
            fe_mul(&inverse, &inverse, &in[i].z);
        } else {
            zi = inverse;
        }
        fe_sqr(&zz, &zi);
        fe_mul(&out[i].x, &in[i].x, &zz);
        fe_mul(&zz, &zz, &zi);
        fe_mul(&out[i].y, &in[i].y, &zz);
    }
}

/* -- many affine sums at once ------------------------------------------------------------------ */

/* Products are taken in so many chains, since one multiplication that waits for another takes twice
   as long as two that do not. */
#define CHAINS 4

static void invert_all(fe *out, const fe *in, int count) {
    fe before[LANES], inverse = in[0];
    for (int k = 1; k < count; k++) {
        before[k] = inverse;
        fe_mul(&inverse, &inverse, &in[k]);
    }
    fe_inverse(&inverse, &inverse);
    for (int k = count; k-- > 1;) {
        fe_mul(&out[k], &inverse, &before[k]);
        fe_mul(&inverse, &inverse, &in[k]);
    }
    out[0] = inverse;
}

/* All memory of a sum is one block: what is laid out is counted first and placed then. With many blocks,
   C libraries give memory back and ask for it anew at each sum, which takes a third of the time of
   one over a hundred points (measured). */
typedef struct {
    unsigned char *block; /* none while counting */
    size_t used;
} arena;

static void *take(arena *a, size_t count, size_t size) {
    void *place = a->block ? a->block + a->used : NULL;
    a->used += (count * size + 63) / 64 * 64;
    return place;
}

/* Returns 0 without memory. */
static int place_block(arena *a) {
    a->block = malloc(a->used ? a->used : 1);
    a->used = 0;
    return a->block != NULL;
}

/* The weighted sum of buckets treats them in rows of so many. */
#define ROW 16

/* Room for sorting ``entries`` points into ``buckets`` and for summing those. */
typedef struct {
    affine *points, *sums;
    fe *products; /* half as many as there are points, or more */
    uint32_t *start, *length, *group_start, *group_length;
    uint8_t *is_there;
    uint32_t *first, *to; /* of each pair, for lanes */
    int has_lanes;
} workspace;

#define ROUND_UP(count) (((count) / 2 + LANES) / LANES * LANES)

static void workspace_lay_out(
    workspace *w, arena *a, size_t entries, size_t buckets, int has_lanes) {
    const size_t most = entries > 2 * buckets + 2 ? entries : 2 * buckets + 2;
    w->points = take(a, most, sizeof *w->points);
    w->sums = take(a, 2 * buckets + 2, sizeof *w->sums);
    /* An element in lanes has five words, not four. */
    w->products = take(a, ROUND_UP(most), 5 * sizeof(uint64_t));
    w->start = take(a, buckets, sizeof *w->start);
    w->length = take(a, buckets, sizeof *w->length);
    w->group_start = take(a, buckets + ROW, sizeof *w->group_start);
    w->group_length = take(a, buckets + ROW, sizeof *w->group_length);
    w->is_there = take(a, buckets + ROW, 1);
    w->first = take(a, ROUND_UP(most), sizeof *w->first);
    w->to = take(a, ROUND_UP(most), sizeof *w->to);
    w->has_lanes = has_lanes;
}

#if HAS_LANES
/* Where a lane has no pair: points whose difference is 1. */
static const affine NO_FIRST = {{{0, 0, 0, 0}}, {{0, 0, 0, 0}}};
static const affine NO_SECOND = {{{1, 0, 0, 0}}, {{0, 0, 0, 0}}};

typedef struct {
    const fe *x1[LANES], *y1[LANES], *x2[LANES], *y2[LANES];
} pairs_of_lanes;

static inline void choose_pairs(
    pairs_of_lanes *r, const affine *points, const uint32_t *first, size_t at, size_t pairs) {
    for (int k = 0; k < LANES; k++) {
        const int is_pair = at + (size_t)k < pairs;
        const affine *p = is_pair ? &points[first[at + (size_t)k]] : &NO_FIRST;
        const affine *q = is_pair ? p + 1 : &NO_SECOND;
        r->x1[k] = &p->x;
        r->y1[k] = &p->y;
        r->x2[k] = &q->x;
        r->y2[k] = &q->y;
    }
}

/* One round of `sum_buckets`, which see, unless two points have the same x: returns 0 then, with
   nothing changed, and the round is done one at a time. That takes somebody who wants it. Sums go to the front: a sum's place is never behind its first point, and
   whatever lies before that has been read. */
LANE_ENTRY int add_pairs_in_lanes(
    affine *points, const uint32_t *first, const uint32_t *to, size_t pairs, fe *products) {
    uint64_t *saved = (uint64_t *)(void *)products;
    pairs_of_lanes p;
    fe ends[LANES], inverses[LANES];
    const size_t rows = (pairs + LANES - 1) / LANES;
    fe8 product = fe8_one();
    for (size_t row = rows; row-- > 0;) {
        choose_pairs(&p, points, first, row * LANES, pairs);
        for (int i = 0; i < 5; i++) {
            _mm512_storeu_si512(saved + (row * 5 + (size_t)i) * LANES, product.n[i]);
        }
        product = fe8_mul(product, fe8_sub(fe8_gather(p.x2), fe8_gather(p.x1)));
    }
    fe8_store(ends, product);
    for (int k = 0; k < LANES; k++) {
        if (fe_is_zero(&ends[k])) return 0;
    }
    invert_all(inverses, ends, LANES);
    fe8 inverse = fe8_load(inverses);
    for (size_t row = 0; row < rows; row++) {
        choose_pairs(&p, points, first, row * LANES, pairs);
        const fe8 x1 = fe8_gather(p.x1), x2 = fe8_gather(p.x2), y1 = fe8_gather(p.y1);
        const fe8 rise = fe8_sub(fe8_gather(p.y2), y1);
        fe8 after;
        for (int i = 0; i < 5; i++) {
            after.n[i] = _mm512_loadu_si512(saved + (row * 5 + (size_t)i) * LANES);
        }
        const fe8 slope = fe8_mul(fe8_mul(inverse, after), rise);
        inverse = fe8_mul(inverse, fe8_sub(x2, x1));
        const fe8 x = fe8_sub_two(fe8_sqr(slope), x1, x2);
        const fe8 y = fe8_sub(fe8_mul(slope, fe8_sub(x1, x)), y1);
        affine nowhere;
        fe *to_x[LANES], *to_y[LANES];
        for (int k = 0; k < LANES; k++) {
            const size_t at = row * LANES + (size_t)k;
            affine *sum = at < pairs ? &points[to[at]] : &nowhere;
            to_x[k] = &sum->x;
            to_y[k] = &sum->y;
        }
        fe8_scatter(to_x, x);
        fe8_scatter(to_y, y);
    }
    return 1;
}

/* Below so many pairs, eight at a time are not faster (measured). */
#define LANES_FROM 16

static int round_in_lanes(
    const workspace *w, affine *points, const uint32_t *start, uint32_t *length, size_t buckets) {
    size_t pairs = 0;
    for (size_t b = 0; b < buckets; b++) {
        for (uint32_t i = 0; i + 1 < length[b]; i += 2, pairs++) {
            w->first[pairs] = start[b] + i;
            w->to[pairs] = start[b] + i / 2;
        }
    }
    if (pairs < LANES_FROM) return 0;
    if (!add_pairs_in_lanes(points, w->first, w->to, pairs, w->products)) return 0;
    for (size_t b = 0; b < buckets; b++) {
        if (length[b] & 1) points[start[b] + length[b] / 2] = points[start[b] + length[b] - 1];
        length[b] = (length[b] + 1) / 2;
    }
    return 1;
}
#endif

/* Sums every bucket: bucket b holds points[start[b] .. start[b] + length[b]), and afterwards at most
   one, at points[start[b]]. In rounds: neighbours are added in pairs, all with one inversion. */
static void sum_buckets(
    const workspace *w, affine *points, const uint32_t *start, uint32_t *length, size_t buckets) {
    fe *products = w->products;
    for (;;) {
#if HAS_LANES
        if (w->has_lanes && round_in_lanes(w, points, start, length, buckets)) continue;
#endif
        size_t pairs = 0;
        fe product[CHAINS], inverse[CHAINS], d;
        for (int k = 0; k < CHAINS; k++) product[k] = FE_ONE;
        for (size_t b = 0; b < buckets; b++) {
            const affine *at = points + start[b];
            for (uint32_t i = 0; i + 1 < length[b]; i += 2, pairs++) {
                fe_sub(&d, &at[i + 1].x, &at[i].x);
                if (fe_is_zero(&d)) {
                    /* equal: the tangent's 2y; opposite: nothing to invert */
                    fe_add(&d, &at[i].y, &at[i + 1].y);
                    if (fe_is_zero(&d)) d = FE_ONE;
                }
                fe *chain = &product[pairs % CHAINS];
                products[pairs] = *chain;
                fe_mul(chain, chain, &d);
            }
        }
        if (!pairs) return;
        invert_all(inverse, product, CHAINS);
        /* Backwards through the same pairs. A bucket's results are moved to its end first, so that
           nothing is written over before it is read, and then to its front. */
        for (size_t b = buckets; b-- > 0;) {
            const uint32_t count = length[b];
            if (count < 2) continue;
            affine *at = points + start[b];
            uint32_t end = count;
            if (count & 1) end--; /* the odd one stays at the very end */
            uint32_t free_at = end;
            for (uint32_t i = end; i >= 2;) {
                i -= 2;
                pairs--;
                const affine p = at[i], q = at[i + 1];
                fe rise, slope, t;
                int is_opposite = 0;
                fe_sub(&d, &q.x, &p.x);
                fe_sub(&rise, &q.y, &p.y);
                if (fe_is_zero(&d)) {
                    fe_add(&d, &p.y, &q.y);
                    if (fe_is_zero(&d)) {
                        is_opposite = 1;
                        d = FE_ONE;
                    } else {
                        fe_sqr(&rise, &p.x);
                        fe_add(&t, &rise, &rise);
                        fe_add(&rise, &rise, &t);
                    }
                }
                fe *chain = &inverse[pairs % CHAINS];
                fe_mul(&slope, chain, &products[pairs]);
                fe_mul(chain, chain, &d);
                if (is_opposite) continue;
                fe_mul(&slope, &slope, &rise);
                affine *sum = &at[--free_at];
                fe_sqr(&t, &slope);
                fe_sub(&t, &t, &p.x);
                fe_sub(&t, &t, &q.x);
                sum->x = t;
                fe_sub(&t, &p.x, &t);
                fe_mul(&t, &t, &slope);
                fe_sub(&t, &t, &p.y);
                sum->y = t;
            }
            const uint32_t left = count - free_at;
            memmove(at, at + free_at, left * sizeof *at);
            length[b] = left;
        }
    }
}

/* Sum of v times point v - 1, where it is there. */
static void weigh_in_turn(jacobian *r, const affine *points, const uint8_t *is_there, size_t count) {
    jacobian running = {.is_identity = 1}, total = {.is_identity = 1};
    for (size_t v = count; v-- > 0;) {
        if (is_there[v]) jacobian_add_affine(&running, &running, &points[v]);
        jacobian_add(&total, &total, &running);
    }
    *r = total;
}

/* Sum of v times the point of bucket v - 1. With v = ROW a + b, 0 < b <= ROW, it is ROW times the
   weighted sum of the rows plus that of the columns, and rows and columns are sums without weights:
   two affine additions a bucket instead of two Jacobian ones. ``w->points`` is written over behind
   the buckets. */
static void weigh_buckets(jacobian *r, workspace *w, size_t buckets) {
    const size_t rows = buckets / ROW, groups = rows + ROW;
    if (buckets % ROW || rows < (w->has_lanes ? 8 : 16)) { /* measured */
        for (size_t b = 0; b < buckets; b++) {
            w->is_there[b] = (uint8_t)w->length[b];
            if (w->length[b]) w->sums[b] = w->points[w->start[b]];
        }
        weigh_in_turn(r, w->sums, w->is_there, buckets);
        return;
    }
    uint32_t place = 0;
    for (size_t g = 0; g < groups; g++) {
        w->group_start[g] = place;
        for (size_t i = 0; i < (g < rows ? ROW : rows); i++) {
            const size_t b = g < rows ? g * ROW + i : i * ROW + g - rows;
            if (w->length[b]) w->sums[place++] = w->points[w->start[b]];
        }
        w->group_length[g] = place - w->group_start[g];
    }
    sum_buckets(w, w->sums, w->group_start, w->group_length, groups);
    jacobian upper, lower;
    for (size_t g = 0; g < groups; g++) {
        w->is_there[g] = (uint8_t)w->group_length[g];
        if (w->group_length[g]) w->points[g] = w->sums[w->group_start[g]];
    }
    /* Row a has weight a, so row 0 has none. */
    weigh_in_turn(&upper, w->points + 1, w->is_there + 1, rows - 1);
    weigh_in_turn(&lower, w->points + rows, w->is_there + rows, ROW);
    for (int bit = 1; bit < ROW; bit *= 2) jacobian_double(&upper, &upper);
    jacobian_add(r, &upper, &lower);
}

/* Gives every bucket its room, once ``w->length`` says how many points it will hold; the lengths are
   0 again afterwards, for `put`. */
static void make_room(workspace *w, size_t buckets) {
    uint32_t place = 0;
    for (size_t b = 0; b < buckets; b++) {
        w->start[b] = place;
        place += w->length[b];
        w->length[b] = 0;
    }
}

static inline void put(workspace *w, size_t bucket, const fe *x, const fe *y, int is_negative) {
    affine *to = &w->points[w->start[bucket] + w->length[bucket]++];
    to->x = *x;
    if (is_negative) {
        fe_neg(&to->y, y);
    } else {
        to->y = *y;
    }
}

/* -- scalars ----------------------------------------------------------------------------------- */

/* A half of a scalar: |value| < 2^128 and a sign. */
typedef struct {
    uint64_t n[3];
    int is_negative;
} half;

static const uint64_t G1[4] = {
    0xe893209a45dbb031, 0x3daa8a1471e8ca7f, 0xe86c90e49284eb15, 0x3086d221a7d46bcd};
static const uint64_t G2[4] = {
    0x1571b4ae8ac47f71, 0x221208ac9df506c6, 0x6f547fa90abfe4c4, 0xe4437ed6010e8828};
static const uint64_t A1[3] = {0xe86c90e49284eb15, 0x3086d221a7d46bcd, 0};
static const uint64_t MINUS_B1[3] = {0x6f547fa90abfe4c3, 0xe4437ed6010e8828, 0};
static const uint64_t A2[3] = {0x57c1108d9d44cfd8, 0x14ca50f7a8e2f3f6, 1};
static const fe BETA = {
    {0xc1396c28719501ee, 0x9cf0497512f58995, 0x6e64479eac3434e9, 0x7ae96a2b657c0710}};

/* round(k * g / 2^384), three words. */
static void multiply_and_shift(uint64_t r[3], const uint64_t k[4], const uint64_t g[4]) {
    uint64_t product[8] = {0};
    for (int i = 0; i < 4; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < 4; j++) {
            const u128 t = (u128)k[i] * g[j] + product[i + j] + carry;
            product[i + j] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
        product[i + 4] = carry;
    }
    u128 t = (u128)product[6] + (product[5] >> 63);
    r[0] = (uint64_t)t;
    t = (u128)product[7] + (uint64_t)(t >> 64);
    r[1] = (uint64_t)t;
    r[2] = (uint64_t)(t >> 64);
}

/* r += sign * a * b modulo 2^192. */
static void accumulate(uint64_t r[3], const uint64_t a[3], const uint64_t b[3], int is_negative) {
    uint64_t product[3] = {0};
    for (int i = 0; i < 3; i++) {
        uint64_t carry = 0;
        for (int j = 0; i + j < 3; j++) {
            const u128 t = (u128)a[i] * b[j] + product[i + j] + carry;
            product[i + j] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
    }
    uint64_t carry = (uint64_t)is_negative;
    for (int i = 0; i < 3; i++) {
        const u128 t = (u128)r[i] + (is_negative ? ~product[i] : product[i]) + carry;
        r[i] = (uint64_t)t;
        carry = (uint64_t)(t >> 64);
    }
}

static void make_positive(half *h) {
    h->is_negative = (int)(h->n[2] >> 63);
    if (h->is_negative) {
        uint64_t carry = 1;
        for (int i = 0; i < 3; i++) {
            const u128 t = (u128)~h->n[i] + carry;
            h->n[i] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
    }
}

/* k = low + high * lambda modulo q, where lambda * (x, y) = (beta * x, y). */
static void split_scalar(half *low, half *high, const unsigned char *bytes) {
    uint64_t k[4], c1[3], c2[3];
    memcpy(k, bytes, SCALAR_BYTES);
    memset(high, 0, sizeof *high);
    memset(low, 0, sizeof *low);
    memcpy(low->n, k, sizeof low->n);
    if (!(k[2] | k[3])) return; /* below 2^128 already: a weight */
    multiply_and_shift(c1, k, G1);
    multiply_and_shift(c2, k, G2);
    accumulate(low->n, c1, A1, 1);
    accumulate(low->n, c2, A2, 1);
    accumulate(high->n, c1, MINUS_B1, 0);
    accumulate(high->n, c2, A1, 1);
    make_positive(low);
    make_positive(high);
}

/* Bits at..at+width-1 of the words, zeros above them. */
static uint32_t bits_at(const uint64_t *words, int count, int at, int width) {
    const int word = at >> 6, shift = at & 63;
    if (word >= count) return 0;
    uint64_t found = words[word] >> shift;
    if (shift + width > 64 && word + 1 < count) found |= words[word + 1] << (64 - shift);
    return (uint32_t)(found & ((1ULL << width) - 1));
}

/* Signed odd digits, at most one in five places not zero; returns the number of places. */
static int non_adjacent(int8_t *digits, const half *h) {
    memset(digits, 0, HALF_BITS + 2);
    int carry = 0, last = 0, at = 0;
    while (at <= HALF_BITS) {
        if ((int)bits_at(h->n, 3, at, 1) == carry) {
            at++;
            continue;
        }
        int value = (int)bits_at(h->n, 3, at, NAF_WIDTH) + carry;
        carry = value >> (NAF_WIDTH - 1) & 1;
        value -= carry << NAF_WIDTH;
        digits[at] = (int8_t)(h->is_negative ? -value : value);
        last = at + 1;
        at += NAF_WIDTH;
    }
    return last;
}

/* -- sums of multiples ------------------------------------------------------------------------- */

typedef int8_t naf[HALF_BITS + 2];

/* Room for `sum_few`. */
typedef struct {
    workspace w;
    affine *multiples;
    fe *twins; /* beta * x of each */
    naf *digits;
    int16_t *fixed_digits;
    jacobian *wide; /* 2P, 4P and 8P */
    affine *even;
    fe *scratch;
} room_for_few;

static void few_lay_out(room_for_few *m, arena *a, size_t fixed, size_t count, int has_lanes) {
    const size_t entries = FIXED_MULTIPLES * fixed + 2 * NAF_DIGITS * count;
    const size_t buckets = 4 * count > FEW_BUCKETS ? 4 * count : FEW_BUCKETS;
    workspace_lay_out(&m->w, a, entries, buckets, has_lanes);
    m->multiples = take(a, NAF_TABLE * count, sizeof *m->multiples);
    m->twins = take(a, NAF_TABLE * count, sizeof *m->twins);
    m->digits = take(a, 2 * count, sizeof *m->digits);
    m->fixed_digits = take(a, FIXED_MULTIPLES * fixed, sizeof *m->fixed_digits);
    m->wide = take(a, 3 * count, sizeof *m->wide);
    m->even = take(a, 3 * count, sizeof *m->even);
    m->scratch = take(a, 3 * count, sizeof *m->scratch);
}

/* P, 3P, ... 15P for each point. From 2P, 4P and 8P, since sums of pairs share inversions and doublings
   would not. */
static void odd_multiples(room_for_few *m, const unsigned char *points, size_t count) {
    workspace *w = &m->w;
    for (size_t i = 0; i < count; i++) {
        affine *p = &m->multiples[NAF_TABLE * i];
        affine_load(p, points + POINT_BYTES * i);
        jacobian_of(&m->wide[3 * i], p);
        jacobian_double(&m->wide[3 * i], &m->wide[3 * i]);
        jacobian_double(&m->wide[3 * i + 1], &m->wide[3 * i]);
        jacobian_double(&m->wide[3 * i + 2], &m->wide[3 * i + 1]);
    }
    to_affine(m->even, m->wide, 3 * count, m->scratch);
    for (size_t i = 0; i < 4 * count; i++) w->length[i] = 2;
    make_room(w, 4 * count);
    for (size_t i = 0; i < count; i++) {
        const affine *p = &m->multiples[NAF_TABLE * i];
        for (size_t k = 0; k < 4; k++) { /* 3 = 1 + 2, 5 = 1 + 4, 7 = -1 + 8, 9 = 1 + 8 */
            const affine *q = &m->even[3 * i + (k < 3 ? k : 2)];
            put(w, 4 * i + k, &p->x, &p->y, k == 2);
            put(w, 4 * i + k, &q->x, &q->y, 0);
        }
    }
    sum_buckets(w, w->points, w->start, w->length, 4 * count);
    for (size_t i = 0; i < 4 * count; i++) {
        m->multiples[NAF_TABLE * (i / 4) + 1 + i % 4] = w->points[w->start[i]];
    }
    for (size_t i = 0; i < 3 * count; i++) w->length[i] = 2;
    make_room(w, 3 * count);
    for (size_t i = 0; i < count; i++) {
        const affine *q = &m->even[3 * i + 2];
        for (size_t k = 0; k < 3; k++) { /* 11 = 3 + 8, 13 = 5 + 8, 15 = 7 + 8 */
            const affine *p = &m->multiples[NAF_TABLE * i + 1 + k];
            put(w, 3 * i + k, &p->x, &p->y, 0);
            put(w, 3 * i + k, &q->x, &q->y, 0);
        }
    }
    sum_buckets(w, w->points, w->start, w->length, 3 * count);
    for (size_t i = 0; i < 3 * count; i++) {
        m->multiples[NAF_TABLE * (i / 3) + 5 + i % 3] = w->points[w->start[i]];
    }
}

/* Fixed bases, and few points by Strauss' method: a bucket for every digit of the former, and one for
   every place of the latter's digits, so that all share inversions. Returns 0 without memory. */
static int sum_few(
    jacobian *r, const unsigned char *fixed_scalars, const unsigned char *const *bases,
    size_t fixed, const unsigned char *scalars, const unsigned char *points, size_t count,
    int has_lanes) {
    room_for_few m;
    arena a = {NULL, 0};
    few_lay_out(&m, &a, fixed, count, has_lanes);
    if (!place_block(&a)) return 0;
    few_lay_out(&m, &a, fixed, count, has_lanes);
    if (count) odd_multiples(&m, points, count);
    memset(m.w.length, 0, FEW_BUCKETS * sizeof *m.w.length);
    for (size_t i = 0; i < fixed; i++) {
        int carry = 0;
        for (int j = 0; j < FIXED_MULTIPLES; j++) {
            int digit = carry + (j < SCALAR_BYTES ? fixed_scalars[SCALAR_BYTES * i + j] : 0);
            carry = digit > FIXED_BUCKETS;
            digit -= carry << FIXED_WIDTH;
            m.fixed_digits[FIXED_MULTIPLES * i + j] = (int16_t)digit;
            if (digit) m.w.length[abs(digit) - 1]++;
        }
    }
    for (size_t i = 0; i < count; i++) {
        half low, high;
        split_scalar(&low, &high, scalars + SCALAR_BYTES * i);
        non_adjacent(m.digits[2 * i], &low);
        non_adjacent(m.digits[2 * i + 1], &high);
        for (int at = 0; at <= HALF_BITS; at++) {
            m.w.length[FIXED_BUCKETS + at] += (m.digits[2 * i][at] != 0) + (m.digits[2 * i + 1][at] != 0);
        }
    }
    for (size_t i = 0; i < count * NAF_TABLE; i++) fe_mul(&m.twins[i], &m.multiples[i].x, &BETA);
    make_room(&m.w, FEW_BUCKETS);
    for (size_t i = 0; i < FIXED_MULTIPLES * fixed; i++) {
        const int digit = m.fixed_digits[i];
        if (!digit) continue;
        affine p;
        affine_load(&p, bases[i / FIXED_MULTIPLES] + POINT_BYTES * (i % FIXED_MULTIPLES));
        put(&m.w, (size_t)abs(digit) - 1, &p.x, &p.y, digit < 0);
    }
    for (size_t i = 0; i < 2 * count; i++) {
        for (size_t at = 0; at <= HALF_BITS; at++) {
            const int digit = m.digits[i][at];
            if (!digit) continue;
            const size_t place = NAF_TABLE * (i / 2) + (size_t)(abs(digit) >> 1);
            put(&m.w, FIXED_BUCKETS + at, i & 1 ? &m.twins[place] : &m.multiples[place].x,
                &m.multiples[place].y, digit < 0);
        }
    }
    sum_buckets(&m.w, m.w.points, m.w.start, m.w.length, FEW_BUCKETS);
    jacobian total = {.is_identity = 1}, weighed = {.is_identity = 1};
    for (size_t at = HALF_BITS + 1; at-- > 0;) {
        jacobian_double(&total, &total);
        const size_t b = FIXED_BUCKETS + at;
        if (m.w.length[b]) jacobian_add_affine(&total, &total, &m.w.points[m.w.start[b]]);
    }
    if (fixed) weigh_buckets(&weighed, &m.w, FIXED_BUCKETS);
    jacobian_add(r, &total, &weighed);
    free(a.block);
    return 1;
}

/* Room for `sum_many`. */
typedef struct {
    workspace w;
    affine *halves;
    fe *twins; /* beta * x of each */
    half *parts;
    int32_t *digits;
    uint8_t *carries;
    jacobian *sums;
} room_for_many;

static void many_lay_out(
    room_for_many *m, arena *a, size_t count, size_t buckets, size_t places, int has_lanes) {
    workspace_lay_out(&m->w, a, 2 * count, buckets, has_lanes);
    m->halves = take(a, count, sizeof *m->halves);
    m->twins = take(a, count, sizeof *m->twins);
    m->parts = take(a, 2 * count, sizeof *m->parts);
    m->digits = take(a, 2 * count, sizeof *m->digits);
    m->carries = take(a, 2 * count, sizeof *m->carries);
    m->sums = take(a, places, sizeof *m->sums);
}

/* Pippenger over both halves of every scalar. Returns 0 without memory. */
static int sum_many(
    jacobian *r, const unsigned char *scalars, const unsigned char *points, size_t count,
    int width, int has_lanes) {
    const size_t entries = 2 * count, buckets = (size_t)1 << (width - 1);
    /* Digits from the lowest place up, the sums joined from the highest down. A half is below 2^128
       and has HALF_BITS with its carry. */
    const int places = HALF_BITS / width + 1;
    room_for_many m;
    arena a = {NULL, 0};
    many_lay_out(&m, &a, count, buckets, (size_t)places, has_lanes);
    if (!place_block(&a)) return 0;
    many_lay_out(&m, &a, count, buckets, (size_t)places, has_lanes);
    memset(m.carries, 0, entries);
    for (size_t i = 0; i < count; i++) {
        split_scalar(&m.parts[2 * i], &m.parts[2 * i + 1], scalars + SCALAR_BYTES * i);
        affine_load(&m.halves[i], points + POINT_BYTES * i);
        fe_mul(&m.twins[i], &m.halves[i].x, &BETA);
    }
    for (int place = 0; place < places; place++) {
        memset(m.w.length, 0, buckets * sizeof *m.w.length);
        for (size_t i = 0; i < entries; i++) {
            int32_t digit = (int32_t)bits_at(m.parts[i].n, 3, place * width, width);
            digit += m.carries[i];
            m.carries[i] = digit > (int32_t)buckets;
            digit -= m.carries[i] << width;
            m.digits[i] = m.parts[i].is_negative ? -digit : digit;
            if (digit) m.w.length[abs(digit) - 1]++;
        }
        make_room(&m.w, buckets);
        for (size_t i = 0; i < entries; i++) {
            if (!m.digits[i]) continue;
            put(&m.w, (size_t)abs(m.digits[i]) - 1, i & 1 ? &m.twins[i / 2] : &m.halves[i / 2].x,
                &m.halves[i / 2].y, m.digits[i] < 0);
        }
        sum_buckets(&m.w, m.w.points, m.w.start, m.w.length, buckets);
        weigh_buckets(&m.sums[place], &m.w, buckets);
    }
    jacobian total = m.sums[places - 1];
    for (int place = places - 1; place-- > 0;) {
        for (int bit = 0; bit < width; bit++) jacobian_double(&total, &total);
        jacobian_add(&total, &total, &m.sums[place]);
    }
    *r = total;
    free(a.block);
    return 1;
}

/* Below so many points, Strauss; above, buckets of a width that grows with the number (measured). */
static int bucket_width(size_t count, int has_lanes) {
    static const struct {
        size_t from;
        int width;
    } plain[] = {{7000, 12}, {3500, 11}, {1000, 10}, {450, 9}, {320, 8}, {150, 7}, {0, 0}},
      lanes[] = {{16000, 13}, {7000, 11}, {2500, 10}, {320, 9}, {0, 0}};
    for (size_t i = 0;; i++) {
        const size_t from = has_lanes ? lanes[i].from : plain[i].from;
        if (count >= from) return has_lanes ? lanes[i].width : plain[i].width;
    }
}

/* The sum of all. Many points go through buckets in slices, which bounds the memory they need at
   some megabytes. Returns 0 without memory. */
#define SLICE ((size_t)1 << 15)

static int sum_all(
    jacobian *r, const unsigned char *fixed_scalars, const unsigned char *const *bases,
    size_t fixed, const unsigned char *scalars, const unsigned char *points, size_t count,
    int has_lanes) {
    r->is_identity = 1;
    while (bucket_width(count, has_lanes)) {
        const size_t slice = count < SLICE ? count : SLICE;
        jacobian part;
        if (!sum_many(&part, scalars, points, slice, bucket_width(slice, has_lanes), has_lanes)) {
            return 0;
        }
        jacobian_add(r, r, &part);
        scalars += SCALAR_BYTES * slice;
        points += POINT_BYTES * slice;
        count -= slice;
    }
    if (fixed || count) {
        jacobian part;
        if (!sum_few(&part, fixed_scalars, bases, fixed, scalars, points, count, has_lanes)) return 0;
        jacobian_add(r, r, &part);
    }
    return 1;
}

/* -- decoding ---------------------------------------------------------------------------------- */

/* SEC 1, compressed: 33 bytes. The coordinate and y^2; returns 0 if no point is written like this. */
static int decode_square(fe *x, fe *square, const unsigned char *in) {
    if (in[0] != 2 && in[0] != 3) return 0;
    unsigned char little[32], again[32];
    for (int i = 0; i < 32; i++) little[i] = in[32 - i];
    fe_load(x, little);
    fe_store(again, x);
    if (memcmp(little, again, 32)) return 0; /* not below p */
    static const fe SEVEN = {{7, 0, 0, 0}};
    fe_sqr(square, x);
    fe_mul(square, square, x);
    fe_add(square, square, &SEVEN);
    return 1;
}

static void encode_root(unsigned char *out, const fe *x, fe *y, const unsigned char *in) {
    if (fe_is_odd(y) != (in[0] & 1)) fe_neg(y, y);
    fe_store(out, x);
    fe_store(out + 32, y);
}

static int decode_point(unsigned char *out, const unsigned char *in) {
    fe x, y, square;
    if (!decode_square(&x, &square, in) || !fe_sqrt(&y, &square)) return 0;
    encode_root(out, &x, &y, in);
    return 1;
}

static int decode_points(unsigned char *out, const unsigned char *in, size_t count, int has_lanes) {
    size_t i = 0;
#if HAS_LANES
    /* Eight roots at once take less time than two one after the other. */
    for (; has_lanes && i + 1 < count; i += LANES) {
        const size_t here = count - i < LANES ? count - i : LANES;
        fe x[LANES], y[LANES], square[LANES] = {{{0}}}, check;
        for (size_t k = 0; k < here; k++) {
            if (!decode_square(&x[k], &square[k], in + ENCODED_BYTES * (i + k))) return 0;
        }
        roots_in_lanes(y, square);
        for (size_t k = 0; k < here; k++) {
            fe_sqr(&check, &y[k]);
            fe_sub(&check, &check, &square[k]);
            if (!fe_is_zero(&check)) return 0;
            encode_root(out + POINT_BYTES * (i + k), &x[k], &y[k], in + ENCODED_BYTES * (i + k));
        }
    }
#endif
    (void)has_lanes;
    for (; i < count; i++) {
        if (!decode_point(out + POINT_BYTES * i, in + ENCODED_BYTES * i)) return 0;
    }
    return 1;
}

/* -- the module -------------------------------------------------------------------------------- */

static PyObject *has_lanes(PyObject *module, PyObject *argument) {
    (void)module;
    (void)argument;
    return PyBool_FromLong(lanes_exist());
}

static PyObject *decode(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *data;
    int in_lanes;
    if (!PyArg_ParseTuple(arguments, "Sp:decode", &data, &in_lanes)) return NULL;
    const Py_ssize_t count = PyBytes_GET_SIZE(data) / ENCODED_BYTES;
    if (PyBytes_GET_SIZE(data) % ENCODED_BYTES || count > MAX_TERMS) {
        PyErr_SetString(PyExc_ValueError, "points are 33 bytes each");
        return NULL;
    }
    PyObject *result = PyBytes_FromStringAndSize(NULL, count * POINT_BYTES);
    if (!result) return NULL;
    const unsigned char *in = (const unsigned char *)PyBytes_AS_STRING(data);
    unsigned char *out = (unsigned char *)PyBytes_AS_STRING(result);
    int is_valid;
    Py_BEGIN_ALLOW_THREADS
    is_valid = decode_points(out, in, (size_t)count, in_lanes && lanes_exist());
    Py_END_ALLOW_THREADS
    if (!is_valid) {
        Py_DECREF(result);
        PyErr_SetString(PyExc_ValueError, "not a compressed point of secp256k1 (SEC 1)");
        return NULL;
    }
    return result;
}

static PyObject *multiples(PyObject *module, PyObject *argument) {
    (void)module;
    if (!PyBytes_Check(argument) || PyBytes_GET_SIZE(argument) != POINT_BYTES) {
        PyErr_SetString(PyExc_ValueError, "a point of 64 bytes is needed");
        return NULL;
    }
    jacobian wide[FIXED_MULTIPLES];
    affine narrow[FIXED_MULTIPLES];
    fe scratch[FIXED_MULTIPLES];
    unsigned char out[FIXED_MULTIPLES * POINT_BYTES];
    affine p;
    affine_load(&p, (const unsigned char *)PyBytes_AS_STRING(argument));
    jacobian_of(&wide[0], &p);
    for (int i = 1; i < FIXED_MULTIPLES; i++) {
        wide[i] = wide[i - 1];
        for (int bit = 0; bit < FIXED_WIDTH; bit++) jacobian_double(&wide[i], &wide[i]);
    }
    to_affine(narrow, wide, FIXED_MULTIPLES, scratch);
    for (int i = 0; i < FIXED_MULTIPLES; i++) affine_store(out + POINT_BYTES * i, &narrow[i]);
    return PyBytes_FromStringAndSize((const char *)out, sizeof out);
}

/* Whether every scalar is below q. */
static int are_in_range(const unsigned char *scalars, Py_ssize_t count) {
    static const uint64_t Q[4] = {
        0xbfd25e8cd0364141, 0xbaaedce6af48a03b, 0xfffffffffffffffe, 0xffffffffffffffff};
    for (Py_ssize_t i = 0; i < count; i++) {
        uint64_t k[4];
        memcpy(k, scalars + SCALAR_BYTES * i, sizeof k);
        int at = 3;
        while (at > 0 && k[at] == Q[at]) at--;
        if (k[at] >= Q[at]) return 0;
    }
    return 1;
}

static PyObject *sum_of_multiples(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *fixed_scalars, *bases, *scalars, *points;
    int in_lanes;
    if (!PyArg_ParseTuple(
            arguments, "SO!SSp:sum_of_multiples", &fixed_scalars, &PyTuple_Type, &bases, &scalars,
            &points, &in_lanes)) {
        return NULL;
    }
    const Py_ssize_t fixed = PyTuple_GET_SIZE(bases);
    const Py_ssize_t count = PyBytes_GET_SIZE(points) / POINT_BYTES;
    if (PyBytes_GET_SIZE(points) % POINT_BYTES || fixed > MAX_TERMS || count > MAX_TERMS ||
        PyBytes_GET_SIZE(fixed_scalars) != fixed * SCALAR_BYTES ||
        PyBytes_GET_SIZE(scalars) != count * SCALAR_BYTES) {
        PyErr_SetString(PyExc_ValueError, "as many scalars of 32 bytes as points are needed");
        return NULL;
    }
    const unsigned char *k = (const unsigned char *)PyBytes_AS_STRING(fixed_scalars);
    const unsigned char *l = (const unsigned char *)PyBytes_AS_STRING(scalars);
    const unsigned char *p = (const unsigned char *)PyBytes_AS_STRING(points);
    if (!are_in_range(k, fixed) || !are_in_range(l, count)) {
        PyErr_SetString(PyExc_ValueError, "a scalar is not in [0, q)");
        return NULL;
    }
    const unsigned char **tables = malloc(((size_t)fixed + 1) * sizeof *tables);
    if (!tables) return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < fixed; i++) {
        PyObject *table = PyTuple_GET_ITEM(bases, i);
        if (!PyBytes_Check(table) || PyBytes_GET_SIZE(table) != FIXED_MULTIPLES * POINT_BYTES) {
            free(tables);
            PyErr_SetString(PyExc_ValueError, "a base is what `multiples` returned");
            return NULL;
        }
        tables[i] = (const unsigned char *)PyBytes_AS_STRING(table);
    }
    jacobian sum = {.is_identity = 1};
    unsigned char out[POINT_BYTES];
    int has_memory;
    /* The caller holds the tuple and the bytes, none of which can change. */
    Py_BEGIN_ALLOW_THREADS
    has_memory = sum_all(
        &sum, k, tables, (size_t)fixed, l, p, (size_t)count, in_lanes && lanes_exist());
    if (has_memory && !sum.is_identity) {
        affine result;
        fe scratch;
        to_affine(&result, &sum, 1, &scratch);
        affine_store(out, &result);
    }
    Py_END_ALLOW_THREADS
    free(tables);
    if (!has_memory) return PyErr_NoMemory();
    return PyBytes_FromStringAndSize((const char *)out, sum.is_identity ? 0 : POINT_BYTES);
}

static PyMethodDef methods[] = {
    {"has_lanes", has_lanes, METH_NOARGS, "Whether this processor computes in eight lanes."},
    {"decode", decode, METH_VARARGS,
     "(compressed points of 33 bytes each, in lanes) to points of 64 bytes."},
    {"multiples", multiples, METH_O, "A point times 2^(8j) for j = 0 ... 32."},
    {"sum_of_multiples", sum_of_multiples, METH_VARARGS,
     "(fixed scalars, multiples of each, scalars, points, in lanes) to the sum of all."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_group", "Sums of multiples of points of secp256k1; public numbers only.",
    0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__group(void) { return PyModule_Create(&definition); }
