import numpy as np
import pytest

from actupose.data.crop import Cut, inside, move_image, move_points, place, scale_box


def test_a_tall_picture_fills_the_height_and_is_centred():
    # 70 x 160 into 256: height 256, width int(256 * 70 / 160) = 112, borders 72 and 72.
    placement = place(Cut(0, 0, 70, 160), 256)
    assert (placement.width, placement.height) == (112, 256)
    assert (placement.pad_left, placement.pad_upper) == (72, 0)


def test_the_odd_pixel_of_the_border_goes_last():
    placement = place(Cut(0, 0, 63, 64), 64)
    assert (placement.width, placement.pad_left) == (63, 0)


def test_points_follow_pixel_centres():
    # s = 2, pad 0: the centre of the first pixel, 0, is (0 + 0.5) * 2 - 0.5 = 0.5 in the doubled image.
    points = move_points(np.array([[0.0, 0.0], [9.0, 4.0]]), place(Cut(0, 0, 10, 5), 20))
    np.testing.assert_allclose(points, [[0.5, 5.5], [18.5, 13.5]])


@pytest.mark.parametrize("size", [(80, 40), (40, 80), (90, 70), (17, 33), (64, 64)])
def test_a_bright_square_moves_where_its_centre_moves(size):
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    image[8:13, 5:10] = 255  # centre (7, 10)
    placement = place(Cut(0, 0, width, height), 64)
    square = move_image(image, placement).astype(float)[..., 0]
    rows, columns = np.mgrid[:64, :64]
    centroid = np.array([(columns * square).sum(), (rows * square).sum()]) / square.sum()
    np.testing.assert_allclose(centroid, move_points(np.array([[7.0, 10.0]]), placement)[0], atol=0.05)


def test_a_square_of_the_right_size_is_left_alone():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(move_image(image, place(Cut(0, 0, 64, 64), 64)), image)


def test_a_mirrored_square_moves_image_and_points_alike():
    image = np.zeros((20, 20, 3), np.uint8)
    image[4, 3] = 255
    placement = place(Cut(0, 0, 20, 20), 20, mirrored=True)
    # x becomes 20 - 1 - 3 = 16.
    np.testing.assert_array_equal(move_points(np.array([[3.0, 4.0]]), placement), [[16.0, 4.0]])
    assert np.argwhere(move_image(image, placement)[..., 0]).tolist() == [[4, 16]]


@pytest.mark.parametrize(
    ("corners", "factor", "cut"),
    [
        ((20, 20, 40, 30), 1.5, Cut(15, 10, 30, 30)),  # side 30 around (30, 25)
        ((0, 0, 20, 10), 1.5, Cut(0, 0, 30, 30)),  # would begin at -5: moved in
        ((80, 50, 100, 60), 1.5, Cut(70, 30, 30, 30)),  # would end beyond 100 x 60
        ((0, 0, 100, 60), 1.5, Cut(20, 0, 60, 60)),  # limited to the shorter side
    ],
)
def test_person_boxes_become_squares_within_the_image(corners, factor, cut):
    assert scale_box(corners, factor, 100, 60) == cut


@pytest.mark.parametrize("corners", [(5, 5, 5, 5), (0, 0, float("nan"), 3), (0, 0, float("inf"), 3)])
def test_a_box_without_extent_is_refused(corners):
    with pytest.raises(ValueError, match="box is empty"):
        scale_box(corners, 1.5, 100, 60)


def test_a_point_is_inside_up_to_the_edge_of_the_outer_pixels():
    points = np.array([[-0.5, 0], [-0.51, 0], [9.49, 4.49], [9.5, 4], [np.nan, 1]])
    assert inside(points, Cut(0, 0, 10, 5)).tolist() == [True, False, True, False, False]
